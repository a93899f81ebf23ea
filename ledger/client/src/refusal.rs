//! Why a ledger did not take a command that came over the bus. Nothing was done for it.

/// A command that was not taken. Somebody has to act: the same command is refused again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Nobody of this name is enrolled.
    #[error("the ledger knows no gateway of this name: enrol it with sigil gateway enroll")]
    GatewayUnknown,
    /// The enrolment has ended.
    #[error("this gateway's enrolment was revoked")]
    GatewayRevoked,
    /// The enrolment's role does not include the verb.
    #[error("this gateway's role does not permit the command")]
    VerbDenied,
    /// No verb of this protocol.
    #[error("the ledger knows no such command: it is older than this gateway")]
    VerbUnknown,
    /// The signature is not the enrolled key's, or a byte was changed on the way.
    #[error("the command's signature does not verify under the enrolled key")]
    SignatureInvalid,
    /// The command names another log.
    #[error("the command is meant for another log")]
    WrongLog,
    /// The time in which it was valid is over.
    #[error("the command has expired: compare the clocks of gateway and ledger")]
    Expired,
    /// It is from the future.
    #[error("the command was issued in the future: compare the clocks of gateway and ledger")]
    NotYetValid,
    /// It would be valid for longer than the ledger remembers it.
    #[error("the command asks to be valid for too long")]
    LifetimeTooLong,
    /// The ledger has taken a command with this request id before.
    #[error("a command with this request id was taken before")]
    Repeated,
    /// The document does not follow the protocol.
    #[error("the command does not follow the protocol")]
    Malformed,
    /// The document, or the number of its parts, is beyond the limit.
    #[error("the command is too large")]
    TooLarge,
    /// Sealed values, or values to be sealed, would cross the bus in the clear.
    #[error("sealed values cross the bus only over TLS")]
    Unprotected,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 13] = [
        Self::GatewayUnknown,
        Self::GatewayRevoked,
        Self::VerbDenied,
        Self::VerbUnknown,
        Self::SignatureInvalid,
        Self::WrongLog,
        Self::Expired,
        Self::NotYetValid,
        Self::LifetimeTooLong,
        Self::Repeated,
        Self::Malformed,
        Self::TooLarge,
        Self::Unprotected,
    ];

    /// The stable text on the wire and in metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::GatewayUnknown => "gateway_unknown",
            Self::GatewayRevoked => "gateway_revoked",
            Self::VerbDenied => "verb_denied",
            Self::VerbUnknown => "verb_unknown",
            Self::SignatureInvalid => "signature_invalid",
            Self::WrongLog => "wrong_log",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::Repeated => "repeated",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Unprotected => "unprotected",
        }
    }

    /// The refusal with this code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }
}
