//! Test cases that run once per adapter.

/// Makes one test of each case for one adapter. A case is an `async fn(&Fixture)` in a module of the suite. The adapter's
/// `start` returns the fixture, or `None` where it needs a server and no URL is set; `close` runs after the case. Tests run
/// on two threads unless an attribute comes first.
///
/// ```text
/// cases! { #[tokio::test(start_paused = true)] Memory as StoreKind, crate::webhooks; debounce:
///     a_short_absence_is_not_reported,
/// }
/// ```
///
/// expands to
///
/// ```text
/// mod debounce {
///     use crate::webhooks::debounce as cases;
///
///     #[tokio::test(start_paused = true)]
///     async fn a_short_absence_is_not_reported() {
///         if let Some(fixture) = <Memory as StoreKind>::start().await {
///             cases::a_short_absence_is_not_reported(&fixture).await;
///             <Memory as StoreKind>::close(fixture).await;
///         }
///     }
/// }
/// ```
///
/// The adapter and its trait are named by full paths, as the tests stand in a module of their own.
#[macro_export]
macro_rules! cases {
    (#[$test:meta] $adapter:ty as $kind:path, $($root:ident)::+; $suite:ident: $($case:ident,)+) => {
        mod $suite {
            use $($root)::+::$suite as cases;

            $(
                #[$test]
                async fn $case() {
                    if let Some(fixture) = <$adapter as $kind>::start().await {
                        cases::$case(&fixture).await;
                        <$adapter as $kind>::close(fixture).await;
                    }
                }
            )+
        }
    };
    ($($case:tt)+) => {
        $crate::cases! { #[tokio::test(flavor = "multi_thread", worker_threads = 2)] $($case)+ }
    };
}
