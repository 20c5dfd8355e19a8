//! A figure that was taken several times: what is in the middle, and the least and the most.

use serde_json::{Value, json};

#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(figures: &[f64]) -> Self {
        let mut figures = figures.to_vec();
        figures.sort_by(f64::total_cmp);
        Self { median: figures[figures.len() / 2], least: figures[0], most: figures[figures.len() - 1] }
    }

    /// With four digits that count, which is more than is known.
    pub(crate) fn json(&self) -> Value {
        json!({ "median": rounded(self.median), "least": rounded(self.least), "most": rounded(self.most) })
    }
}

fn rounded(figure: f64) -> f64 {
    format!("{figure:.3e}").parse().unwrap()
}
