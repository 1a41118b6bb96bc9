//! Sets of calls as unions of cells, with the arithmetic that proofs need.
//!
//! A call is a point with one whole number in each dimension: its direction, its customer's number, its line. A [`Cell`] is
//! a product of one set a dimension. What the dimensions mean is [`super::Space`]'s business.

use super::interval_set::IntervalSet;

/// A dimension of the space of calls.
pub type Dimension = u16;

/// Cells that one `when` may come to; `not` of a long `any` multiplies them.
pub(super) const CELLS_MAX: usize = 1_000;

/// The calls that are in the set of each dimension. A dimension that is not named is free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Sorted by dimension; no set is empty.
    sides: Vec<(Dimension, IntervalSet)>,
}

impl Cell {
    /// Every call.
    pub fn everything() -> Cell {
        Cell::default()
    }

    /// The calls that are in `set` in one dimension; nothing where the set is empty.
    pub fn side(dimension: Dimension, set: IntervalSet) -> Option<Cell> {
        Cell::everything().with(dimension, &set)
    }

    /// The sets of the dimensions that are not free, by dimension.
    pub fn sides(&self) -> &[(Dimension, IntervalSet)] {
        &self.sides
    }

    /// The set of a dimension; `None` where it is free.
    pub fn get(&self, dimension: Dimension) -> Option<&IntervalSet> {
        let at = self.sides.binary_search_by_key(&dimension, |(dimension, _)| *dimension).ok()?;
        self.sides.get(at).map(|(_, set)| set)
    }

    /// Its calls that are also in `set`; nothing where there are none.
    #[must_use]
    pub fn with(&self, dimension: Dimension, set: &IntervalSet) -> Option<Cell> {
        let mut cell = self.clone();
        match cell.sides.binary_search_by_key(&dimension, |(dimension, _)| *dimension) {
            Ok(at) => {
                let (_, own) = cell.sides.get_mut(at)?;
                *own = own.intersection(set);
                (!own.is_empty()).then_some(cell)
            }
            Err(at) => {
                cell.sides.insert(at, (dimension, set.clone()));
                (!set.is_empty()).then_some(cell)
            }
        }
    }

    /// The calls that are in both; nothing where there are none.
    #[must_use]
    pub fn intersection(&self, other: &Cell) -> Option<Cell> {
        other.sides.iter().try_fold(self.clone(), |cell, (dimension, set)| cell.with(*dimension, set))
    }

    /// Its calls that are not in the other, in cells that share none.
    pub fn difference(&self, other: &Cell) -> Vec<Cell> {
        let mut pieces = Vec::new();
        let mut rest = self.clone();
        for (dimension, set) in &other.sides {
            pieces.extend(rest.with(*dimension, &set.complement()));
            match rest.with(*dimension, set) {
                Some(inside) => rest = inside,
                None => return pieces,
            }
        }
        pieces
    }

    /// Whether a point is in it. `point` gives the value of a dimension.
    pub fn contains(&self, point: impl Fn(Dimension) -> u64) -> bool {
        self.sides.iter().all(|(dimension, set)| set.contains(point(*dimension)))
    }
}

/// The calls that are in a cell of each union; `None` where that takes too many cells.
pub(super) fn both(one: &[Cell], two: &[Cell]) -> Option<Vec<Cell>> {
    let pairs = one.iter().flat_map(|one| two.iter().filter_map(|two| one.intersection(two)));
    let cells: Vec<Cell> = pairs.take(CELLS_MAX + 1).collect();
    (cells.len() <= CELLS_MAX).then_some(cells)
}

/// The calls that are in no cell; `None` where that takes too many cells.
pub(super) fn complement(cells: &[Cell]) -> Option<Vec<Cell>> {
    cells.iter().try_fold(vec![Cell::everything()], |rest, cell| {
        let left: Vec<Cell> = rest.iter().flat_map(|one| one.difference(cell)).take(CELLS_MAX + 1).collect();
        (left.len() <= CELLS_MAX).then_some(left)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random_cell(random: &mut fastrand::Rng) -> Cell {
        (0..3).filter(|_| random.u8(0..3) > 0).collect::<Vec<Dimension>>().into_iter().fold(
            Cell::everything(),
            |cell, dimension| {
                let set = IntervalSet::of((0..4).filter(|_| random.bool()));
                cell.with(dimension, &set).unwrap_or(cell)
            },
        )
    }

    /// All points of three dimensions with values 0 to 3; 4 stands for the rest.
    fn points() -> impl Iterator<Item = [u64; 3]> {
        (0..125).map(|at| [at % 5, at / 5 % 5, at / 25])
    }

    #[test]
    fn the_arithmetic_of_cells_is_that_of_sets_of_points() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..500 {
            let (one, two) = (random_cell(&mut random), random_cell(&mut random));
            let difference = one.difference(&two);
            let union = [one.clone(), two.clone()];
            let neither = complement(&union).unwrap();
            for point in points() {
                let within = |cell: &Cell| cell.contains(|dimension| point[usize::from(dimension)]);
                assert_eq!(one.intersection(&two).is_some_and(|cell| within(&cell)), within(&one) && within(&two));
                let pieces = difference.iter().filter(|cell| within(cell)).count();
                assert_eq!(pieces, usize::from(within(&one) && !within(&two)));
                assert_eq!(neither.iter().any(within), !within(&one) && !within(&two));
            }
        }
    }

    #[test]
    fn what_takes_too_many_cells_is_not_worked_out() {
        // Each cell has ten sides, so that its complement has ten cells, and the product of six of those a million.
        let cell = |from: u16| {
            (from..from + 10).fold(Cell::everything(), |cell, side| cell.with(side, &IntervalSet::of([1])).unwrap())
        };
        let cells: Vec<Cell> = (0..6).map(|block| cell(block * 10)).collect();
        assert_eq!(complement(&cells), None);
        assert!(complement(&cells[..2]).is_some());
    }
}
