//! What a path is, for metrics and logs.

use openkey_protocol::message::Class;

/// Where requests to enclaves go: an id and a class follow.
pub(super) const ENCLAVES: &str = "/api/v1/enclaves";

/// The kinds of requests that are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Evidence,
    SignUp,
    Request,
    Enclaves,
    Config,
    Releases,
    Health,
    Ready,
    Description,
    Page,
}

impl Route {
    pub(crate) const ALL: [Self; 10] = [
        Self::Evidence,
        Self::SignUp,
        Self::Request,
        Self::Enclaves,
        Self::Config,
        Self::Releases,
        Self::Health,
        Self::Ready,
        Self::Description,
        Self::Page,
    ];

    /// Of a request's path.
    pub(crate) fn of(path: &str) -> Self {
        if let Some(rest) = path.strip_prefix(ENCLAVES) {
            let class = rest.rsplit('/').next().and_then(class);
            return class.map_or(Self::Enclaves, Self::carrying);
        }
        match path {
            "/config.json" => Self::Config,
            "/releases.json" => Self::Releases,
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/openapi.json" | "/docs" | "/docs/messages.json" => Self::Description,
            _ => Self::Page,
        }
    }

    const fn carrying(class: Class) -> Self {
        match class {
            Class::Evidence => Self::Evidence,
            Class::SignUp => Self::SignUp,
            Class::Request => Self::Request,
        }
    }

    /// Whether such requests are carried to an enclave.
    pub(super) const fn is_carried(self) -> bool {
        matches!(self, Self::Evidence | Self::SignUp | Self::Request)
    }

    /// Whether such requests are rationed as what is only read. Those to enclaves are rationed by class;
    /// whoever watches this server must not be told that others ask too much, and is answered with
    /// what is known already.
    pub(super) const fn is_read(self) -> bool {
        !self.is_carried() && !matches!(self, Self::Health | Self::Ready)
    }

    /// Route and class as metrics and logs name them.
    pub(crate) const fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Evidence => ("enclave", "evidence"),
            Self::SignUp => ("enclave", "sign-up"),
            Self::Request => ("enclave", "request"),
            Self::Enclaves => ("enclaves", "none"),
            Self::Config => ("config", "none"),
            Self::Releases => ("releases", "none"),
            Self::Health => ("healthz", "none"),
            Self::Ready => ("readyz", "none"),
            Self::Description => ("description", "none"),
            Self::Page => ("page", "none"),
        }
    }
}

/// The class that is the last segment of a path.
pub(super) fn class(segment: &str) -> Option<Class> {
    match segment {
        "evidence" => Some(Class::Evidence),
        "sign-up" => Some(Class::SignUp),
        "request" => Some(Class::Request),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_own_place_and_labels() {
        for (index, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, index);
            let same = Route::ALL
                .into_iter()
                .filter(|r| r.labels() == route.labels());
            assert_eq!(same.count(), 1);
        }
        assert_eq!(Route::of("/api/v1/enclaves/e1/sign-up"), Route::SignUp);
        assert_eq!(Route::of("/api/v1/enclaves"), Route::Enclaves);
        assert_eq!(Route::of("/"), Route::Page);
    }
}
