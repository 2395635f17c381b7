//! Why a sender is not let in. It is counted, and never told.

/// Each has a word for metrics. What a sender is told is the same for all of them that it could learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It shows nothing.
    Missing,
    /// What it shows cannot be understood.
    Malformed,
    /// It is understood, and wrong.
    Wrong,
    /// It was right, or will be.
    Expired,
    /// It is right, and not enough.
    Scope,
    /// The path does not end as it should.
    PathSecret,
    /// It comes from somewhere else.
    Origin,
    /// Too many failures came from its address.
    LockedOut,
    /// Nobody can tell: the issuer's keys are not known.
    Undecided,
}

impl Failure {
    /// As metrics call it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Wrong => "wrong",
            Self::Expired => "expired",
            Self::Scope => "insufficient_scope",
            Self::PathSecret => "path_secret",
            Self::Origin => "origin",
            Self::LockedOut => "locked_out",
            Self::Undecided => "undecided",
        }
    }

    /// Whether somebody may have guessed. Who shows nothing has not: many a client waits to be asked first.
    pub(super) fn is_attempt(self) -> bool {
        match self {
            Self::Malformed | Self::Wrong | Self::Expired | Self::Scope | Self::PathSecret => true,
            Self::Missing | Self::Origin | Self::LockedOut | Self::Undecided => false,
        }
    }

    /// Of two that were found at the same time, the one that says more.
    pub(super) fn or(self, other: Self) -> Self {
        let weight = |failure| match failure {
            Self::Missing | Self::Origin | Self::LockedOut => 0,
            Self::Malformed => 1,
            Self::Wrong | Self::PathSecret => 2,
            Self::Expired | Self::Scope => 3,
            Self::Undecided => 4,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}
