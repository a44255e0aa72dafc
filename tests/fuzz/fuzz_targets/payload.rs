#![no_main]

pushi_fuzz::target!("payload");
