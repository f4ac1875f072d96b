#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    saga_tracker_rooms::bodies::records(data);
});
