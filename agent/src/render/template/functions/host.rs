//! What the host knows: its environment, files, name and time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::error::Fault;
use super::super::value::Value;
use super::{Call, Function, plain, time, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("getenv", 1, getenv),
    plain("fileExists", 1, 1, file_exists),
    plain("hostname", 0, 0, |call| {
        let name = nix::unistd::gethostname().map_err(|error| call.fail(error.to_string()))?;
        call.made(name.to_string_lossy().into_owned())
    }),
    plain("datetime", 0, 0, |_| Ok(time::now())),
    plain("base64Encode", 1, 1, |call| {
        let text = call.text(0)?;
        call.made(STANDARD.encode(text.as_bytes()))
    }),
    plain("base64Decode", 1, 1, base64_decode),
];

/// The default is for a variable that is empty, too.
fn getenv(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let name = call.text(0)?;
    let default = call.default(1)?;
    // Such a name is no variable's, and the standard library would panic on it.
    let sound = !name.is_empty() && !name.contains(['=', '\0']);
    let value = if sound { std::env::var_os(&**name) } else { None }.unwrap_or_default();
    if value.is_empty() {
        return Ok(default.map_or_else(|| Value::text(""), |default| Value::Text(default.clone())));
    }
    let value = value.into_string().map_err(|_| call.fail(format!("{name} is not UTF-8")))?;
    call.made(value)
}

/// A file that cannot be looked at is there for confd, unless it surely is not.
fn file_exists(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let path = call.text(0)?;
    let missing = match std::fs::metadata(&**path) {
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    Ok(Value::Bool(!missing))
}

/// Go ignores line ends and bits left over, and wants the padding.
fn base64_decode(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
    );
    let text = call.text(0)?.replace(['\r', '\n'], "");
    let bytes = LENIENT.decode(&text).map_err(|error| call.fail(error.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| call.fail("the decoded value is not UTF-8, and configuration files are"))?;
    call.made(text)
}
