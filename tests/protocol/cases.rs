//! Makes tests of cases: `on! { KIND OF STORE; SUITE: CASES }`, or `[FOLDER] SUITE` where the suite stands in a folder.

macro_rules! on {
    ($kind:ty; $([$folder:ident])? $suite:ident: $($case:ident,)+) => {
        cases! { #[tokio::test(flavor = "multi_thread", worker_threads = 2)] $kind; $([$folder])? $suite: $($case,)+ }
    };
}

/// On a clock that jumps from one thing to do to the next.
macro_rules! on_a_paused_clock {
    ($kind:ty; $([$folder:ident])? $suite:ident: $($case:ident,)+) => {
        cases! { #[tokio::test(start_paused = true)] $kind; $([$folder])? $suite: $($case,)+ }
    };
}

macro_rules! cases {
    (#[$test:meta] $kind:ty; $([$folder:ident])? $suite:ident: $($case:ident,)+) => {
        mod $suite {
            use $crate::$($folder::)?$suite as cases;

            $(
                #[$test]
                async fn $case() {
                    if let Some(site) = <$kind as $crate::env::Kind>::site().await {
                        cases::$case(&site).await;
                        site.close().await;
                    }
                }
            )+
        }
    };
}
