#![no_main]

pushi_fuzz::target!("websocket_frames");
