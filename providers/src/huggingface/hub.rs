//! The hub's endpoints: which URL each has, and requests that stay on its origin.

use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::errors::{Asked, refusal};
use super::repo::{Commit, HfOrigin, RepoId, RepoPath, RepoType};
use super::wire::{Entry, Info, Refs};
use crate::auth::Token;
use crate::error::{ErrorKind, ProviderError};
use crate::http::{Answer, Http, MAX_REDIRECTS, Request};
use crate::url::SafeUrl;

/// Most bytes of one API answer. A repository's info names all its files.
pub(super) const MAX_JSON: usize = 64 * 1024 * 1024;

/// The hub as one import sees it.
#[derive(Clone, Copy)]
pub(super) struct Hub<'a> {
    pub endpoint: &'a SafeUrl,
    pub http: &'a Http,
    pub token: Option<&'a Token>,
}

impl Hub<'_> {
    /// What a repository is called in a message.
    pub(super) fn name_of(&self, asked: Asked<'_>) -> String {
        format!("the {} {}", asked.repo_type, asked.repo)
    }

    /// A repository's page.
    pub(super) fn page(&self, asked: Asked<'_>) -> SafeUrl {
        self.page_of(asked.repo_type, asked.repo, &[])
    }

    /// The page that lists a repository's files.
    pub(super) fn tree_page(&self, asked: Asked<'_>) -> SafeUrl {
        self.page_of(asked.repo_type, asked.repo, &["tree", asked.revision])
    }

    /// A page of a repository.
    pub(super) fn page_of(&self, repo_type: RepoType, repo: &RepoId, rest: &[&str]) -> SafeUrl {
        let id = repo.as_str().split('/');
        self.endpoint
            .with_segments(repo_type.page_prefix().into_iter().chain(id))
            .with_segments(rest)
    }

    fn api(&self, repo_type: RepoType, repo: &RepoId, rest: &[&str]) -> SafeUrl {
        let id = repo.as_str().split('/');
        self.endpoint
            .with_segments(["api", repo_type.plural()].into_iter().chain(id))
            .with_segments(rest)
    }

    /// Where the content of a file is asked for.
    pub(super) fn content_url(&self, origin: &HfOrigin) -> SafeUrl {
        let commit = origin.commit.to_string();
        self.page_of(origin.repo_type, &origin.repo, &["resolve", &commit])
            .with_segments(origin.path.segments())
    }

    /// Where a listing starts.
    pub(super) fn tree_url(&self, asked: Asked<'_>, below: Option<&RepoPath>) -> SafeUrl {
        self.api(asked.repo_type, asked.repo, &["tree", asked.revision])
            .with_segments(below.into_iter().flat_map(RepoPath::segments))
    }

    /// Which commit a revision is at, and who may see it; and a notice that
    /// the hub gives along.
    pub(super) async fn info(
        &self,
        asked: Asked<'_>,
    ) -> Result<(Info, Option<String>), ProviderError> {
        let url = self.api(asked.repo_type, asked.repo, &["revision", asked.revision]);
        let answer = self.ask_api(asked, Request::get(url)).await?;
        let notice = answer.header("x-hf-warning").map(ToOwned::to_owned);
        Ok((self.json(answer).await?, notice))
    }

    /// All branches and tags.
    pub(super) async fn refs(&self, asked: Asked<'_>) -> Result<Refs, ProviderError> {
        let url = self.api(asked.repo_type, asked.repo, &["refs"]);
        let answer = self.ask_api(asked, Request::get(url)).await?;
        self.json(answer).await
    }

    /// What is at these paths of a commit, with the scanners' words. Sent as a
    /// form: mirrors refuse JSON. `None` from a mirror that does not have this
    /// endpoint. What is advice and no more is asked for once.
    pub(super) async fn paths_info(
        &self,
        asked: Asked<'_>,
        commit: Commit,
        paths: &[&str],
        is_advice: bool,
    ) -> Result<Option<Vec<Entry>>, ProviderError> {
        let commit = commit.to_string();
        let url = self.api(asked.repo_type, asked.repo, &["paths-info", &commit]);
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(paths.iter().map(|path| ("paths", path)))
            .append_pair("expand", "True")
            .finish();
        let mut request = Request::post_form(url, form).bearer(self.token);
        if is_advice {
            request = request.best_effort();
        }
        let answer = self.ask(request, |_| Ok(())).await?;
        match answer.status {
            400 | 405 | 415 | 422 | 501 => Ok(None),
            404 if answer.header("x-error-code").is_none() => Ok(None),
            200 => self.json(answer).await.map(Some),
            _ => Err(refusal(self, asked, answer).await),
        }
    }

    /// Asks the API: a success, or the refusal named.
    pub(super) async fn ask_api(
        &self,
        asked: Asked<'_>,
        request: Request,
    ) -> Result<Answer, ProviderError> {
        let answer = self.ask(request.bearer(self.token), |_| Ok(())).await?;
        if let Some(target) = answer.redirect()? {
            return Err(ProviderError::new(
                ErrorKind::Upstream,
                format!(
                    "{} sends API requests away to {}",
                    self.endpoint.authority(),
                    target.authority()
                ),
            )
            .hint("if that is the hub meant, set HF_ENDPOINT to it"));
        }
        if answer.is_success() {
            return Ok(answer);
        }
        Err(refusal(self, asked, answer).await)
    }

    /// Asks, following redirects within the endpoint's own origin alone, where
    /// the token may go. `inspect` sees the headers of every hop.
    pub(super) async fn ask(
        &self,
        mut request: Request,
        inspect: impl Fn(&Answer) -> Result<(), ProviderError>,
    ) -> Result<Answer, ProviderError> {
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.http.send(&request).await?;
            inspect(&answer)?;
            match answer.redirect()? {
                Some(target) if target.same_origin(self.endpoint) => request.url = target,
                _ => return Ok(answer),
            }
        }
        Err(ProviderError::new(
            ErrorKind::Upstream,
            format!(
                "{} redirects more than {MAX_REDIRECTS} times",
                self.endpoint.authority()
            ),
        )
        .hint("see whether the endpoint (HF_ENDPOINT) is the one meant"))
    }

    /// An answer's JSON.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        answer: Answer,
    ) -> Result<T, ProviderError> {
        answer.json(MAX_JSON).await.map_err(|error| {
            if error.is_transient() {
                return error;
            }
            error.hint(format!(
                "see whether {} is the Hugging Face endpoint meant (HF_ENDPOINT)",
                self.endpoint
            ))
        })
    }
}
