//! Our functions as Handlebars' helpers, and the helper that counts.

use std::sync::{Mutex, MutexGuard, PoisonError};

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderError,
    RenderErrorReason, ScopedJson,
};

use super::super::error::Fault;
use super::super::functions::{self, Arg, Function, Kind, time};
use super::super::limits::Exceeded;
use super::super::session::Session;
use super::super::value::Value;
use super::json;
use super::output::Bounded;

/// One rendering, as helpers share it. They all run on one thread; the lock is there because helpers must be [`Sync`].
pub(super) struct Shared<'s> {
    session: Mutex<Session<'s>>,
}

impl<'s> Shared<'s> {
    pub(super) fn new(session: Session<'s>) -> Shared<'s> {
        Shared { session: Mutex::new(session) }
    }

    fn session(&self) -> MutexGuard<'_, Session<'s>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error of ours on its way through the crate.
fn carried(fault: impl Into<Fault>) -> RenderError {
    RenderErrorReason::NestedError(Box::new(fault.into())).into()
}

/// A function as a helper.
pub(super) struct FunctionHelper<'s, 'k> {
    pub(super) function: &'static Function,
    pub(super) shared: &'s Shared<'k>,
}

impl HelperDef for FunctionHelper<'_, '_> {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        if helper.is_block() {
            return Err(carried(self.function.fail("is no block: write it without `#`")));
        }
        if matches!(self.function.kind, Kind::Include) {
            return self.include(helper, registry).map(ScopedJson::Derived);
        }
        let mut session = self.shared.session();
        let arguments = self.arguments(helper, &mut session).map_err(carried)?;
        // Handlebars has no methods, so the layout is an argument here.
        let value = match (self.function.name, arguments.as_slice()) {
            ("datetime", [layout]) => time::method(&time::now(), "Format", std::slice::from_ref(layout))
                .unwrap_or(Ok(Value::Missing)),
            _ => functions::call(self.function, &mut session, &arguments),
        };
        let result = json::to_json(&value.map_err(carried)?);
        session.meter.held(json::size(&result)).map_err(carried)?;
        Ok(ScopedJson::Derived(result))
    }
}

impl FunctionHelper<'_, '_> {
    fn arguments(&self, helper: &Helper<'_>, session: &mut Session<'_>) -> Result<Vec<Arg>, Fault> {
        let limits = session.meter.limits;
        let mut arguments = Vec::with_capacity(helper.params().len());
        for (number, parameter) in (1..).zip(helper.params()) {
            if parameter.is_value_missing() {
                let name = parameter.relative_path().map_or("an argument", String::as_str);
                let why = format!("argument {number}, {}, is not there", super::quoted(name));
                return Err(self.function.fail(why));
            }
            session.meter.held(json::size(parameter.value()))?;
            arguments.push(json::to_argument(parameter.value(), &limits)?);
        }
        Ok(arguments)
    }

    /// `include "file" data`: the text that another file renders. It was read when the template was compiled.
    fn include(
        &self,
        helper: &Helper<'_>,
        registry: &Handlebars<'_>,
    ) -> Result<serde_json::Value, RenderError> {
        self.function.check_count(helper.params().len()).map_err(carried)?;
        let name = helper.param(0).and_then(|name| name.value().as_str()).unwrap_or_default();
        if registry.get_template(name).is_none() {
            let why = "the file's name must be written out: it is read when the template is compiled";
            return Err(carried(self.function.fail(why)));
        }
        let data = helper.param(1).map_or(serde_json::Value::Null, |data| data.value().clone());
        let most = self.shared.session().meter.limits.value;
        let mut out = Bounded::new(most, Exceeded::Value(most));
        let context = Context::from(data);
        registry.render_with_context_to_write(name, &context, &mut out)?;
        let text = out.into_text();
        self.shared.session().meter.made(text.len()).map_err(carried)?;
        Ok(serde_json::Value::String(text))
    }
}

/// What a probe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A block begins.
    Enter,
    /// It ends.
    Leave,
    /// A file or an inline partial begins, which a copy of the values around was made for.
    EnterPartial,
    /// It ends.
    LeavePartial,
}

impl Mark {
    /// Every mark.
    pub(super) const ALL: [Mark; 4] = [Mark::Enter, Mark::Leave, Mark::EnterPartial, Mark::LeavePartial];
}

/// Stands at the beginning and the end of every block, and counts.
pub(super) struct Probe<'s, 'k> {
    pub(super) mark: Mark,
    pub(super) shared: &'s Shared<'k>,
}

/// A block of Handlebars costs more than a step of ours: contexts are copied.
const STEPS: usize = 16;

impl HelperDef for Probe<'_, '_> {
    fn call<'reg: 'rc, 'rc>(
        &self,
        _: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        _: &mut dyn Output,
    ) -> HelperResult {
        let mut session = self.shared.session();
        match self.mark {
            Mark::Enter => {
                session.meter.enter().map_err(carried)?;
                session.meter.steps(STEPS).map_err(carried)?;
            }
            Mark::Leave => session.meter.leave(),
            Mark::EnterPartial => {
                session.meter.enter_include().map_err(carried)?;
                let around = render.evaluate(context, "this")?;
                session.meter.held(json::size(around.as_json())).map_err(carried)?;
            }
            Mark::LeavePartial => session.meter.leave_include(),
        }
        Ok(())
    }
}
