//! Puts probes into a compiled template. The crate has no bounds of its own, but whatever it repeats or nests is a
//! template: with a helper at the beginning and the end of each, all of them can be counted.

use handlebars::Template;
use handlebars::template::TemplateElement;

use super::helper::Mark;

/// The helper's name for a mark: none that a template would use.
pub(super) fn name(mark: Mark) -> &'static str {
    match mark {
        Mark::Enter => "vipward-enter",
        Mark::Leave => "vipward-leave",
        Mark::EnterPartial => "vipward-enter-partial",
        Mark::LeavePartial => "vipward-leave-partial",
    }
}

/// The probes, compiled.
#[derive(Debug)]
pub(super) struct Probes {
    block: [TemplateElement; 2],
    partial: [TemplateElement; 2],
}

impl Probes {
    /// None if the crate does not take these names for helpers, which it does.
    pub(super) fn new() -> Option<Probes> {
        let element = |mark| {
            let compiled = Template::compile(&format!("{{{{{}}}}}", name(mark))).ok()?;
            compiled.elements.into_iter().next()
        };
        Some(Probes {
            block: [element(Mark::Enter)?, element(Mark::Leave)?],
            partial: [element(Mark::EnterPartial)?, element(Mark::LeavePartial)?],
        })
    }

    /// Puts them into a file.
    pub(super) fn put_into(&self, template: &mut Template) {
        self.inside(template);
        surround(template, &self.partial);
    }

    /// Puts them into each template inside another one. The nesting was bounded before it was compiled.
    fn inside(&self, template: &mut Template) {
        for element in &mut template.elements {
            match element {
                TemplateElement::HelperBlock(block) => {
                    for inner in [&mut block.template, &mut block.inverse].into_iter().flatten() {
                        self.inside(inner);
                        surround(inner, &self.block);
                    }
                }
                TemplateElement::DecoratorBlock(block) | TemplateElement::PartialBlock(block) => {
                    if let Some(inner) = &mut block.template {
                        self.put_into(inner);
                    }
                }
                _ => {}
            }
        }
    }
}

fn surround(template: &mut Template, [enter, leave]: &[TemplateElement; 2]) {
    template.elements.insert(0, enter.clone());
    template.elements.push(leave.clone());
    // The places go with the elements.
    if let (Some(first), Some(last)) = (template.mapping.first().cloned(), template.mapping.last().cloned()) {
        template.mapping.insert(0, first);
        template.mapping.push(last);
    }
}
