//! What the module `oxidis._native` holds.

use pyo3::prelude::*;

/// The part of Oxidis that is written in Rust. Programs import `oxidis`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<crate::client::NativeClient>()?;
    module.add_class::<crate::client::Pending>()?;
    module.add_class::<crate::control::Control>()?;
    module.add_class::<crate::control::NativeFault>()?;
    module.add_class::<crate::control::NativeSnapshot>()?;
    module.add_class::<crate::engine::NativeEngine>()?;
    module.add_class::<crate::line::Line>()?;
    module.add_class::<crate::notifier::Notifier>()?;
    module.add_class::<crate::server::NativeServer>()?;
    module.add_class::<crate::session::Session>()?;
    module.add_function(wrap_pyfunction!(crate::command::run, module)?)?;
    module.add_function(wrap_pyfunction!(crate::command::commands, module)?)?;
    module.add_function(wrap_pyfunction!(crate::encode::pack, module)?)?;
    module.add_function(wrap_pyfunction!(crate::encode::split, module)?)?;
    module.add_function(wrap_pyfunction!(
        crate::process::after_fork_in_child,
        module
    )?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}
