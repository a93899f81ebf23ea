//! The `local` authenticator: a loopback peer with the printed token, and optionally a page without one; and the same
//! token as the one key of a service that others reach.
//!
//! Only a hash of the token is kept, and hashes are compared in constant time. A request that looks as if another site
//! or a proxy had sent it never gets in without the token.

use crate::caller::{Caller, CallerKind, Role};
use crate::error::{Code, Problem};
use axum::http::{HeaderMap, header};
use record::Auth;
use std::net::IpAddr;
use std::sync::Arc;

const TOKEN_CONTEXT: &str = "sigil gateway local token v1";

/// Knows callers on this machine.
pub struct LocalAuth {
    token: blake3::Hash,
    open_reads: bool,
    /// Callers from other machines may use the token: what carries it here is confidential.
    anywhere: bool,
    /// Tiles and checkpoints need no credential, from wherever they are asked for.
    tiles: bool,
    operator: Arc<Caller>,
    page: Arc<Caller>,
}

impl LocalAuth {
    /// Accepts `token` from loopback peers; with `open_reads` also reads without a token from the page it serves.
    #[must_use]
    pub fn new(token: &str, open_reads: bool) -> Self {
        Self {
            token: digest(token.as_bytes()),
            open_reads,
            anywhere: false,
            tiles: false,
            operator: Arc::new(operator("local:operator", Auth::Local)),
            page: Arc::new(local("local:page", CallerKind::Page, 1, &[Role::Reader])),
        }
    }

    /// Accepts `token` from every peer as the operator's key, and nothing without it. For listeners behind TLS only: whoever
    /// reads the token on its way is the operator from then on.
    #[must_use]
    pub fn service(token: &str) -> Self {
        Self {
            anywhere: true,
            operator: Arc::new(operator("key:operator", Auth::ApiKey)),
            ..Self::new(token, false)
        }
    }

    /// The same, with the log's tiles and checkpoint open to everybody who reaches the port.
    #[must_use]
    pub fn opening_tiles(self, open: bool) -> Self {
        Self { tiles: open, ..self }
    }

    /// Whether tiles and checkpoint need no credential.
    pub(crate) const fn opens_tiles(&self) -> bool {
        self.tiles
    }

    /// Who sent a request with these headers from `peer`.
    ///
    /// # Errors
    /// `AUTH_REQUIRED` or `TOKEN_INVALID`.
    pub(crate) fn authenticate(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Result<Arc<Caller>, Problem> {
        if !self.anywhere && !peer.is_some_and(|ip| ip.to_canonical().is_loopback()) {
            let detail = "local authentication serves callers on this machine only";
            return Err(Problem::new(Code::AuthRequired, detail));
        }
        let mut sent = headers.get_all(header::AUTHORIZATION).iter();
        match (sent.next(), sent.next()) {
            (Some(value), None) => match bearer(value.as_bytes()) {
                Some(token) if digest(token) == self.token => Ok(Arc::clone(&self.operator)),
                _ => Err(Problem::new(
                    Code::TokenInvalid,
                    "this is not the token that the server printed",
                )),
            },
            (Some(_), Some(_)) => Err(Problem::new(Code::TokenInvalid, "`Authorization` is sent twice")),
            (None, _) if self.open_reads && is_own_page(headers) => Ok(Arc::clone(&self.page)),
            (None, _) => Err(Problem::new(Code::AuthRequired, "this request carries no credential")),
        }
    }
}

impl std::fmt::Debug for LocalAuth {
    /// Without the token's hash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalAuth")
            .field("open_reads", &self.open_reads)
            .finish_non_exhaustive()
    }
}

fn operator(id: &str, auth: Auth) -> Caller {
    let roles = &[Role::Reader, Role::Writer, Role::Admin];
    Caller {
        auth,
        ..local(id, CallerKind::Operator, 5, roles)
    }
}

fn local(id: &str, kind: CallerKind, loa: u8, roles: &'static [Role]) -> Caller {
    Caller {
        tenant: None,
        id: id.to_owned(),
        kind,
        loa,
        roles,
        auth: Auth::Local,
        key_id: None,
    }
}

fn digest(token: &[u8]) -> blake3::Hash {
    // `blake3::Hash` compares in constant time.
    blake3::Hash::from(blake3::derive_key(TOKEN_CONTEXT, token))
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Whether a request without a token may come from the page of this server: addressed to a loopback name (a rebound DNS
/// name is another one), not from another site, not through a proxy.
fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text("host").unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let direct = ["forwarded", "x-forwarded-for", "x-forwarded-host", "via"]
        .iter()
        .all(|name| !headers.contains_key(*name));
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
        && matches!(text("sec-fetch-site"), None | Some("same-origin" | "none"))
        && direct
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn ask(open: bool, peer: Option<IpAddr>, pairs: &[(&'static str, &str)]) -> Result<String, &'static str> {
        let caller = LocalAuth::new("secret", open).authenticate(peer, &headers(pairs));
        caller.map(|caller| caller.id.clone()).map_err(|problem| problem.code())
    }

    #[test]
    fn the_token_makes_an_operator_and_only_the_token() {
        let token = |value: &str| ask(false, LOOPBACK, &[("authorization", value)]);
        assert_eq!(token("Bearer secret"), Ok("local:operator".to_owned()));
        assert_eq!(token("bearer secret"), Ok("local:operator".to_owned()));
        for wrong in [
            "Bearer secre",
            "Bearer secret2",
            "Bearer ",
            "Basic secret",
            "secret",
            "Bearer",
        ] {
            assert_eq!(token(wrong), Err("TOKEN_INVALID"), "{wrong}");
        }
        assert_eq!(ask(false, LOOPBACK, &[]), Err("AUTH_REQUIRED"));
    }

    #[test]
    fn nobody_else_gets_in_from_elsewhere() {
        let far: Option<IpAddr> = Some("192.0.2.7".parse().unwrap());
        let near: Option<IpAddr> = Some("::ffff:127.0.0.1".parse().unwrap());
        let token = [("authorization", "Bearer secret")];
        assert_eq!(ask(false, far, &token), Err("AUTH_REQUIRED"));
        assert_eq!(ask(false, None, &token), Err("AUTH_REQUIRED"));
        assert_eq!(ask(false, near, &token), Ok("local:operator".to_owned()));
        assert_eq!(ask(true, far, &[("host", "localhost")]), Err("AUTH_REQUIRED"));
    }

    #[test]
    fn a_service_takes_its_token_from_anywhere_and_nothing_else() {
        let service = LocalAuth::service("secret");
        let far: Option<IpAddr> = Some("192.0.2.7".parse().unwrap());
        let caller = service
            .authenticate(far, &headers(&[("authorization", "Bearer secret")]))
            .unwrap();
        assert_eq!((caller.id.as_str(), caller.auth), ("key:operator", Auth::ApiKey));
        for pairs in [&[("host", "localhost")][..], &[("authorization", "Bearer secre")]] {
            for peer in [far, LOOPBACK] {
                assert!(service.authenticate(peer, &headers(pairs)).is_err(), "{pairs:?}");
            }
        }
    }

    #[test]
    fn an_open_page_is_a_reader_unless_another_site_asks() {
        let page = Ok("local:page".to_owned());
        for host in ["localhost", "localhost:8080", "127.0.0.1:80", "[::1]:9", "[::1]"] {
            assert_eq!(ask(true, LOOPBACK, &[("host", host)]), page, "{host}");
        }
        for host in [
            "rebound.example:8080",
            "localhost.example",
            "127.0.0.1.example",
            "",
            "::1",
        ] {
            assert_eq!(ask(true, LOOPBACK, &[("host", host)]), Err("AUTH_REQUIRED"), "{host}");
        }
        let from = |site: &str| ask(true, LOOPBACK, &[("host", "localhost"), ("sec-fetch-site", site)]);
        assert_eq!(from("same-origin"), page);
        assert_eq!(from("cross-site"), Err("AUTH_REQUIRED"));
        assert_eq!(from("same-site"), Err("AUTH_REQUIRED"));
        let proxied = [("host", "localhost"), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(ask(true, LOOPBACK, &proxied), Err("AUTH_REQUIRED"));
        assert_eq!(ask(false, LOOPBACK, &[("host", "localhost")]), Err("AUTH_REQUIRED"));
    }

    #[test]
    fn the_token_is_not_in_debug_output() {
        assert_eq!(
            format!("{:?}", LocalAuth::new("secret", true)),
            "LocalAuth { open_reads: true, .. }"
        );
    }
}
