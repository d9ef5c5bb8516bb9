//! One metric as a picture: a row for each contender, every value a dot, the median a bar.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::read::{Metric, Sample, shown};

const WIDTH: u32 = 760;
const ROW: u32 = 34;
/// Room above and below the rows.
const FRAME: u32 = 70;
/// From here on, the greatest value as a multiple of the least, the axis is logarithmic.
const WIDE: f64 = 30.0;

/// The picture as SVG.
pub(super) fn draw(metric: &Metric) -> Result<String> {
    let rows: Vec<&Sample> = metric.samples.iter().filter(|sample| !sample.values.is_empty()).collect();
    let all = || rows.iter().flat_map(|sample| sample.values.iter().copied());
    let (least, greatest) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let height = FRAME + ROW * u32::try_from(rows.len())?;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let rows_range = -0.5..f64::from(u32::try_from(rows.len())?) - 0.5;
        let mut builder = ChartBuilder::on(&area);
        builder.margin(8).x_label_area_size(34).y_label_area_size(130);
        if least > 0.0 && greatest / least >= WIDE {
            let mut chart = builder
                .build_cartesian_2d((least * 0.8..greatest * 1.2).log_scale(), rows_range)
                .map_err(failed)?;
            mesh!(chart, metric, rows)?;
        } else {
            let pad = ((greatest - least) * 0.08).max(greatest.abs() * 0.01).max(0.01);
            let from = if least >= 0.0 { (least - pad).max(0.0) } else { least - pad };
            let mut chart = builder.build_cartesian_2d(from..greatest + pad, rows_range).map_err(failed)?;
            mesh!(chart, metric, rows)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// The rows; a macro, for the two kinds of axes are two types.
macro_rules! mesh {
    ($chart:ident, $metric:ident, $rows:ident) => {{
        let label = |row: &f64| name(&$rows, *row);
        $chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels($rows.len() + 2)
            .y_label_formatter(&label)
            .x_desc(format!("{}, {}", $metric.name, $metric.unit))
            .draw()
            .map_err(failed)?;
        for (row, sample) in $rows.iter().enumerate() {
            let (at, colour) = (f64::from(u32::try_from(row)?), colour(sample));
            let dot = |value: &f64| Circle::new((*value, at), 3, colour.mix(0.45).filled());
            $chart.draw_series(sample.values.iter().map(dot)).map_err(failed)?;
            let median = sample.summary().map_or(f64::NAN, |summary| summary.median);
            let bar =
                PathElement::new(vec![(median, at - 0.35), (median, at + 0.35)], colour.stroke_width(3));
            $chart.draw_series([bar]).map_err(failed)?;
        }
        anyhow::Ok(())
    }};
}
use mesh;

/// The name of the row at a height, if one is there.
fn name(rows: &[&Sample], height: f64) -> String {
    let row = rows
        .iter()
        .enumerate()
        .find(|(row, _)| u32::try_from(*row).is_ok_and(|row| (f64::from(row) - height).abs() < 0.01));
    row.map_or_else(String::new, |(_, sample)| shown(&sample.contender))
}

fn colour(sample: &Sample) -> RGBColor {
    if sample.contender.starts_with("keepalived") { RGBColor(176, 98, 32) } else { RGBColor(28, 110, 150) }
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw a plot: {error}")
}
