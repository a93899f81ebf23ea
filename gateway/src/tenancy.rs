//! Which tenant a request is about: named by its body, header or query, or the one of the credential.
//!
//! Two names that differ are refused, whoever names them. A credential that is bound to a tenant never reaches another:
//! a read answers as if nothing were there.

use crate::caller::Caller;
use crate::error::{Code, Problem};
use axum::http::HeaderMap;
use record::Tenant;

const HEADER: &str = "sigil-tenant";
const DEFAULT: &str = "default";

/// What kind of request it is: they fail differently on another's tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    Read,
    Write,
}

/// The tenant named by the header `Sigil-Tenant`.
///
/// # Errors
/// `HEADER_INVALID`.
pub(crate) fn named(headers: &HeaderMap) -> Result<Option<Tenant>, Problem> {
    let mut sent = headers.get_all(HEADER).iter();
    let Some(value) = sent.next() else { return Ok(None) };
    let tenant = value.to_str().ok().and_then(Tenant::parse);
    tenant.filter(|_| sent.next().is_none()).map(Some).ok_or_else(|| {
        Problem::new(
            Code::HeaderInvalid,
            "`Sigil-Tenant` is [a-z0-9][a-z0-9-]{0,62}, sent once",
        )
    })
}

/// The tenant of a request of `caller` that names `one` and `other`.
///
/// # Errors
/// `TENANT_MISMATCH` when the names differ, or a write names another tenant than the credential's; `NOT_FOUND` when a
/// read does.
pub(crate) fn resolve(
    caller: &Caller,
    one: Option<Tenant>,
    other: Option<Tenant>,
    intent: Intent,
) -> Result<Tenant, Problem> {
    if let (Some(one), Some(other)) = (&one, &other)
        && one != other
    {
        return Err(Problem::new(
            Code::TenantMismatch,
            "the request names two different tenants",
        ));
    }
    match (one.or(other), &caller.tenant) {
        (Some(named), Some(own)) if named != *own => Err(match intent {
            Intent::Read => Problem::new(Code::NotFound, "there is nothing here"),
            Intent::Write => Problem::new(Code::TenantMismatch, "the credential belongs to another tenant"),
        }),
        (Some(named), _) => Ok(named),
        (None, Some(own)) => Ok(own.clone()),
        (None, None) => Ok(Tenant::parse(DEFAULT).expect("the default follows the grammar")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{CallerKind, Role};
    use record::Auth;

    fn tenant(text: &str) -> Option<Tenant> {
        Some(Tenant::parse(text).unwrap())
    }

    fn resolved(
        own: Option<Tenant>,
        one: Option<Tenant>,
        other: Option<Tenant>,
        intent: Intent,
    ) -> Result<String, &'static str> {
        let caller = Caller {
            tenant: own,
            id: "key:1".to_owned(),
            kind: CallerKind::Operator,
            loa: 1,
            roles: &[Role::Reader],
            auth: Auth::Local,
            key_id: None,
        };
        let tenant = resolve(&caller, one, other, intent);
        tenant
            .map(|tenant| tenant.to_string())
            .map_err(|problem| problem.code())
    }

    #[test]
    fn a_bound_caller_stays_in_its_tenant() {
        use Intent::{Read, Write};
        assert_eq!(resolved(tenant("a"), None, None, Read), Ok("a".to_owned()));
        assert_eq!(resolved(tenant("a"), tenant("a"), None, Write), Ok("a".to_owned()));
        assert_eq!(resolved(tenant("a"), tenant("b"), None, Read), Err("NOT_FOUND"));
        assert_eq!(resolved(tenant("a"), None, tenant("b"), Write), Err("TENANT_MISMATCH"));
    }

    #[test]
    fn an_unbound_caller_names_any_and_only_one() {
        use Intent::Read;
        assert_eq!(resolved(None, None, None, Read), Ok("default".to_owned()));
        assert_eq!(resolved(None, None, tenant("b"), Read), Ok("b".to_owned()));
        assert_eq!(resolved(None, tenant("b"), tenant("b"), Read), Ok("b".to_owned()));
        assert_eq!(resolved(None, tenant("a"), tenant("b"), Read), Err("TENANT_MISMATCH"));
    }
}
