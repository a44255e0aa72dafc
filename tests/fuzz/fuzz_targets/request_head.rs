#![no_main]

pushi_fuzz::target!("request_head");
