//! Lists in answers: read, rendered and sent page by page, as the client takes them, so that a list of any length takes the
//! memory of one page.

use std::future::ready;
use std::io;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use poem::Body;

use super::answer::AnswerBody;
use super::problem::Problem;
use crate::core::answers::AnswerPermit;
use crate::core::model::AppIdent;
use crate::core::service::Service;

/// The bytes of one piece of a body. The HTTP connection copies pieces into its write buffer while that has room.
const PIECE: usize = 16 * 1024;

/// The bytes of a page, about. Of the events in one; the pages of other lists have a number of entries.
pub(super) const PAGE_BYTES: usize = 64 * 1024;

/// A page of a list.
pub(super) struct ListPage {
    /// The rendered items, with commas between them.
    items: String,
    /// Whether the list ends with it.
    is_last: bool,
    /// The bytes of the page, given back once it is sent.
    permit: Option<AnswerPermit>,
}

impl ListPage {
    /// A page of rendered items.
    pub(super) fn new<T: AsRef<str>>(items: impl IntoIterator<Item = T>, is_last: bool) -> Self {
        let mut text = String::new();
        for item in items {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(item.as_ref());
        }
        Self {
            items: text,
            is_last,
            permit: None,
        }
    }

    /// … which keeps its bytes from the budget of all answers.
    pub(super) fn with_permit(self, permit: Option<AnswerPermit>) -> Self {
        Self { permit, ..self }
    }
}

/// Reads the first page, and puts the pages between `open` and `close`. Where more pages follow, `app` has the bytes of one from
/// the budget of all answers until the client has taken the last; `None`: the list is the administrator's, or its pages have
/// their bytes.
///
/// # Errors
/// The first page could not be read. Where a later one cannot, the body ends early, and the client sees that it is not
/// complete.
pub(super) async fn body(
    app: Option<(&Service, &AppIdent)>,
    open: &'static str,
    pages: impl Stream<Item = Result<ListPage, Problem>> + Send + 'static,
    close: &'static str,
) -> Result<AnswerBody, Problem> {
    let mut pages: BoxStream<'static, _> = pages.boxed();
    let Some(first) = pages.next().await.transpose()? else {
        return Ok(AnswerBody::Text([open, close].concat()));
    };
    if first.is_last {
        return Ok(AnswerBody::Text([open, &first.items, close].concat()));
    }
    let permit = match app {
        Some((service, app)) => service.list_permit(app, PAGE_BYTES).await?,
        None => None,
    };
    let following = stream::iter([Ok(first)]).chain(pages);
    let texts = following.scan((false, permit), |(any, _permit), page| {
        ready(Some(page.map(|page| {
            let comma = if *any && !page.items.is_empty() {
                ","
            } else {
                ""
            };
            *any |= !page.items.is_empty();
            Bytes::from_owner(PageText {
                text: [comma, &page.items].concat(),
                _permit: page.permit,
            })
        })))
    });
    let pieces = texts.flat_map(|text| {
        let pieces = match text {
            Ok(text) => pieces(text).map(Ok).collect(),
            Err(problem) => {
                tracing::warn!(%problem, "a list was ended early");
                vec![Err(io::Error::other("the list could not be read"))]
            }
        };
        stream::iter(pieces)
    });
    let text = |text: &'static str| stream::iter([Ok(Bytes::from_static(text.as_bytes()))]);
    Ok(AnswerBody::Stream(Body::from_bytes_stream(
        text(open).chain(pieces).chain(text(close)),
    )))
}

/// A body of shared bytes. The HTTP connection copies no more than it can send soon.
pub(super) fn shared_body(bytes: Bytes) -> Body {
    if bytes.len() <= PIECE {
        return bytes.into();
    }
    let pieces = pieces(bytes).map(Ok::<_, io::Error>);
    Body::from_bytes_stream(stream::iter(pieces))
}

fn pieces(bytes: Bytes) -> impl Iterator<Item = Bytes> + Send + 'static {
    let count = bytes.len().div_ceil(PIECE);
    (0..count).map(move |index| {
        let begin = index * PIECE;
        bytes.slice(begin..bytes.len().min(begin + PIECE))
    })
}

/// The text of a page, with its bytes in the budget: both are freed with the last piece.
struct PageText {
    text: String,
    _permit: Option<AnswerPermit>,
}

impl AsRef<[u8]> for PageText {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// The pages that `next` returns with the state for the following one; after the last, `None`.
pub(super) fn pages<S, F>(
    state: S,
    mut next: impl FnMut(S) -> F + Send + 'static,
) -> impl Stream<Item = Result<ListPage, Problem>> + Send + 'static
where
    S: Send + 'static,
    F: Future<Output = Result<(ListPage, S), Problem>> + Send + 'static,
{
    stream::unfold(Some(state), move |state| {
        let reading = state.map(&mut next);
        async move {
            // Other requests run in between.
            tokio::task::yield_now().await;
            match reading?.await {
                Ok((page, state)) => {
                    let state = (!page.is_last).then_some(state);
                    Some((Ok(page), state))
                }
                Err(problem) => Some((Err(problem), None)),
            }
        }
    })
}
