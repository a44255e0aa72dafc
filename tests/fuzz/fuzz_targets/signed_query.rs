#![no_main]

pushi_fuzz::target!("signed_query");
