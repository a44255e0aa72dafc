#![no_main]

pushi_fuzz::target!("bus_message");
