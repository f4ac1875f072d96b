#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    saga_tracker_rooms::fuzz_bodies::records(data);
});
