#![no_main]

pushi_fuzz::target!("pushi_decoder");
