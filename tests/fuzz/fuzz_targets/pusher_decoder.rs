#![no_main]

pushi_fuzz::target!("pusher_decoder");
