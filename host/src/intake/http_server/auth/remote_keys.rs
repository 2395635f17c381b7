//! An issuer's keys at a URL. They are fetched when a push first needs them, when one names a key that is not among them,
//! and when they have become old, at most once within the cooldown: strangers who make up names of keys cause no more
//! requests than that. While the URL is down the last keys stay in use.

use super::key_set::KeySet;
use super::settings::KeySource;
use jsonwebtoken::Algorithm;
use reqwest::{Client, Response, redirect};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(in crate::intake::http_server) struct RemoteKeys {
    client: Client,
    url: String,
    cooldown: Duration,
    max_age: Duration,
    known: Mutex<Known>,
    /// Held by whoever fetches them.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

/// A push waits for them.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A key takes some hundred bytes.
const BYTES_MAX: usize = 1024 * 1024;
const USER_AGENT: &str = concat!("callspan/", env!("CARGO_PKG_VERSION"));

impl RemoteKeys {
    /// None for keys that are elsewhere.
    ///
    /// # Errors
    /// When this machine has no certificates to check the URL's with.
    pub(in crate::intake::http_server) fn new(source: &KeySource) -> Result<Option<Self>, String> {
        let KeySource::Url { url, cooldown, max_age } = source else { return Ok(None) };
        let builder = Client::builder().user_agent(USER_AGENT).redirect(redirect::Policy::none()).timeout(TIMEOUT);
        let builder = if url.scheme_str() == Some("https") {
            let tls = crate::export::client_config().map_err(|error| format!("jwks_url: {error}"))?;
            builder.tls_backend_preconfigured(tls)
        } else {
            builder.tls_certs_only([])
        };
        let client = builder.build().map_err(|error| format!("jwks_url: {error}"))?;
        let (cooldown, max_age) = (*cooldown, *max_age);
        Ok(Some(Self {
            client,
            url: url.to_string(),
            cooldown,
            max_age,
            known: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }))
    }

    /// The keys, with the one that is looked for if the issuer has it. None as long as they could not be fetched.
    pub(super) async fn keys(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<KeySet>> {
        let has_key = |keys: &Option<Arc<KeySet>>| keys.as_ref().is_some_and(|it| it.find(id, algorithm).is_some());
        let keys = self.known().keys.clone();
        if has_key(&keys) {
            // One of those who need them fetches them, and the others go on with what is known.
            if self.is_old()
                && let Ok(_fetching) = self.fetching.try_lock()
            {
                self.refresh().await;
                return self.known().keys.clone();
            }
            return keys;
        }
        let _fetching = self.fetching.lock().await;
        // Somebody else may have been first.
        if !has_key(&self.known().keys) {
            self.refresh().await;
        }
        self.known().keys.clone()
    }

    /// Fetches the keys, and says why they cannot be had.
    ///
    /// # Errors
    /// When the URL does not answer, or with something else. It is not shown, since it may hold a secret.
    pub(super) async fn fetch(&self) -> Result<KeySet, String> {
        let fetched = async {
            let response = self.client.get(&self.url).send().await.map_err(told)?;
            if response.status() != reqwest::StatusCode::OK {
                return Err(format!("it answered with {}", response.status()));
            }
            KeySet::parse(&body(response).await?)
        };
        fetched.await
    }

    async fn refresh(&self) {
        let now = Instant::now();
        if self.known().tried.is_some_and(|tried| now.saturating_duration_since(tried) < self.cooldown) {
            return;
        }
        self.known().tried = Some(now);
        match self.fetch().await {
            Ok(keys) => {
                let mut known = self.known();
                known.keys = Some(Arc::new(keys));
                known.fetched = Some(now);
            }
            Err(reason) => {
                let are_known = self.known().keys.is_some();
                tracing::warn!(reason, are_known, "the keys of an issuer cannot be fetched; those known stay in use");
            }
        }
    }

    fn is_old(&self) -> bool {
        let known = self.known();
        let is_over = |since: Option<Instant>, time| since.is_none_or(|since| since.elapsed() >= time);
        is_over(known.fetched, self.max_age) && is_over(known.tried, self.cooldown)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        body.extend_from_slice(&chunk);
        if body.len() > BYTES_MAX {
            return Err(format!("it answered with more than {BYTES_MAX} bytes"));
        }
    }
    Ok(body)
}

fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut told = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        told.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    told
}
