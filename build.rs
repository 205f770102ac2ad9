//! Links the addon the way Node expects on each platform.

fn main() {
    napi_build::setup();
}
