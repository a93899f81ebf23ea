//! The one policy table: which role and level of assurance a route asks for. A route that is not here is denied.

use crate::caller::{Caller, Role};
use crate::error::{Code, Problem};
use axum::http::Method;

/// What kind of route it is; a label of metrics, and what limits hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Writes of agents at run time: the handler keeps the deadline, so that a commit under way is never a bare timeout.
    Runtime,
    /// Reads.
    Query,
    /// Answers that stay open.
    Stream,
    /// The log's tiles and checkpoint: reads, unless the gateway's door is open for them.
    Tiles,
    /// Operation of the ledger.
    Admin,
    /// Health, metrics, documentation, the page: anyone who can reach the port.
    Open,
}

impl Class {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Query => "query",
            Self::Stream => "stream",
            Self::Tiles => "tiles",
            Self::Admin => "admin",
            Self::Open => "open",
        }
    }
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// `GET` also answers `HEAD`.
    pub(crate) method: Method,
    /// The route as the router knows it.
    pub(crate) route: &'static str,
    /// `None` for everybody.
    pub(crate) role: Option<Role>,
    /// The least level of assurance.
    pub(crate) loa: u8,
    pub(crate) class: Class,
}

const fn open(route: &'static str) -> Rule {
    rule(Method::GET, route, None, 0, Class::Open)
}

const fn admin(method: Method, route: &'static str) -> Rule {
    rule(method, route, Some(Role::Admin), 3, Class::Admin)
}

const fn rule(method: Method, route: &'static str, role: Option<Role>, loa: u8, class: Class) -> Rule {
    Rule {
        method,
        route,
        role,
        loa,
        class,
    }
}

/// The table.
pub(crate) const TABLE: &[Rule] = &[
    rule(Method::POST, "/v1/records", Some(Role::Writer), 1, Class::Runtime),
    rule(Method::POST, "/canon/user/write", Some(Role::Writer), 1, Class::Runtime),
    rule(Method::GET, "/v1/records/{id}", Some(Role::Reader), 1, Class::Query),
    rule(Method::GET, "/v1/audit/timeline", Some(Role::Reader), 1, Class::Query),
    rule(Method::GET, "/v1/stream", Some(Role::Reader), 1, Class::Stream),
    rule(Method::GET, "/v1/events", Some(Role::Reader), 1, Class::Query),
    rule(Method::GET, "/v1/head", Some(Role::Reader), 1, Class::Query),
    rule(
        Method::GET,
        "/v1/records/{id}/proof",
        Some(Role::Reader),
        1,
        Class::Query,
    ),
    rule(Method::GET, "/v1/checkpoints", Some(Role::Reader), 1, Class::Query),
    rule(
        Method::GET,
        "/v1/checkpoints/consistency",
        Some(Role::Reader),
        1,
        Class::Query,
    ),
    // Names, keys and numbers that every reader is given anyway: whoever judges a checkpoint needs them first.
    open("/v1/checkpoints/policy"),
    rule(Method::GET, "/tlog/checkpoint", Some(Role::Reader), 1, Class::Tiles),
    rule(Method::GET, "/tlog/tile/{*path}", Some(Role::Reader), 1, Class::Tiles),
    rule(Method::GET, "/audit/{id}", Some(Role::Reader), 1, Class::Query),
    rule(
        Method::GET,
        "/v1/records/{id}/disclosures",
        Some(Role::Admin),
        3,
        Class::Admin,
    ),
    rule(Method::POST, "/admin/tenants", Some(Role::Admin), 3, Class::Admin),
    admin(Method::GET, "/admin/projections"),
    admin(Method::GET, "/admin/projections/parked"),
    admin(Method::POST, "/admin/projections/parked/retry"),
    admin(Method::POST, "/admin/projections/rebuild"),
    admin(Method::POST, "/admin/projections/verify"),
    admin(Method::POST, "/admin/projections/cancel"),
    open("/livez"),
    open("/readyz"),
    open("/healthz"),
    open("/health"),
    open("/health/live"),
    open("/health/ready"),
    open("/metrics"),
    open("/openapi.json"),
    open("/docs"),
    open("/docs/errors/{code}"),
    open("/"),
    open("/page/style.css"),
    open("/page/app.mjs"),
    open("/page/view.mjs"),
    open("/page/badge.mjs"),
    open("/page/proof.mjs"),
    open("/page/note.mjs"),
    open("/page/follow.mjs"),
    open("/page/record.mjs"),
    open("/page/blake3.mjs"),
    open("/page/docs.mjs"),
];

/// What the table says about a method on a route.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    /// The row with this number.
    Row(usize, &'static Rule),
    /// The route exists with other methods.
    OtherMethods,
    /// The route is registered and not in the table.
    NoRule,
}

/// Looks `method` and `route` up.
pub(crate) fn judge(method: &Method, route: &str) -> Verdict {
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    let mut verdict = Verdict::NoRule;
    for (at, rule) in TABLE.iter().enumerate().filter(|(_, rule)| rule.route == route) {
        if rule.method == *asked {
            return Verdict::Row(at, rule);
        }
        verdict = Verdict::OtherMethods;
    }
    verdict
}

/// The methods of `route`, for `Allow`.
pub(crate) fn allowed(route: &str) -> String {
    let methods: Vec<&str> = TABLE
        .iter()
        .filter(|rule| rule.route == route)
        .map(|rule| {
            if rule.method == Method::GET {
                "GET, HEAD"
            } else {
                rule.method.as_str()
            }
        })
        .collect();
    methods.join(", ")
}

impl Rule {
    /// Whether `caller` may use this route.
    ///
    /// # Errors
    /// `ADMIN_ACCESS_FORBIDDEN`, `ROLE_REQUIRED` or `LOA_INSUFFICIENT`.
    pub(crate) fn admit(&self, caller: &Caller) -> Result<(), Problem> {
        let Some(role) = self.role else { return Ok(()) };
        if !caller.has(role) {
            let code = if role == Role::Admin {
                Code::AdminAccessForbidden
            } else {
                Code::RoleRequired
            };
            return Err(Problem::new(code, format!("this needs the role `{}`", role.as_str())));
        }
        if caller.loa < self.loa {
            let detail = format!(
                "this needs level of assurance {}, the caller has {}",
                self.loa, caller.loa
            );
            return Err(Problem::new(Code::LoaInsufficient, detail));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::CallerKind;
    use record::Auth;

    fn caller(roles: &'static [Role], loa: u8) -> Caller {
        Caller {
            tenant: None,
            id: "local:x".to_owned(),
            kind: CallerKind::Page,
            loa,
            roles,
            auth: Auth::Local,
            key_id: None,
        }
    }

    fn admit(method: Method, route: &str, caller: &Caller) -> Result<(), &'static str> {
        let Verdict::Row(_, rule) = judge(&method, route) else {
            panic!("{route} is in the table")
        };
        rule.admit(caller).map_err(|problem| problem.code())
    }

    #[test]
    fn roles_and_levels_are_asked_for() {
        let reader = caller(&[Role::Reader], 1);
        assert_eq!(admit(Method::GET, "/v1/head", &reader), Ok(()));
        assert_eq!(admit(Method::POST, "/v1/records", &reader), Err("ROLE_REQUIRED"));
        assert_eq!(
            admit(Method::POST, "/admin/tenants", &reader),
            Err("ADMIN_ACCESS_FORBIDDEN")
        );
        assert_eq!(
            admit(Method::GET, "/v1/head", &caller(&[Role::Reader], 0)),
            Err("LOA_INSUFFICIENT")
        );
    }

    #[test]
    fn what_is_not_in_the_table_has_no_rule() {
        assert!(matches!(judge(&Method::GET, "/v1/unheard"), Verdict::NoRule));
        assert!(matches!(
            judge(&Method::DELETE, "/v1/records/{id}"),
            Verdict::OtherMethods
        ));
        assert!(matches!(judge(&Method::HEAD, "/v1/records/{id}"), Verdict::Row(..)));
        assert_eq!(allowed("/v1/records/{id}"), "GET, HEAD");
    }

    #[test]
    fn no_row_is_written_twice() {
        for (at, rule) in TABLE.iter().enumerate() {
            assert!(
                matches!(judge(&rule.method, rule.route), Verdict::Row(found, _) if found == at),
                "{rule:?}"
            );
        }
    }
}
