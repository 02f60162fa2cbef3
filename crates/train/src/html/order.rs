//! The order of labels in which what is confused stands side by side: leaves of an average-linkage clustering of the
//! symmetric confusion.

/// Places of the labels; `likeness` is `[labels, labels]`, symmetric.
pub(super) fn by_likeness(likeness: &[Vec<f64>]) -> Vec<usize> {
    let mut clusters: Vec<Vec<usize>> = (0..likeness.len()).map(|label| vec![label]).collect();
    // Kept between clusters; a merged cluster has the mean of its parts, weighed by their sizes.
    let mut alike = likeness.to_vec();
    while clusters.len() > 1 {
        let Some((a, b)) = closest(&alike) else { break };
        let (left, right) = (clusters[a].len() as f64, clusters[b].len() as f64);
        let merged: Vec<f64> = (0..clusters.len())
            .map(|other| (alike[a][other] * left + alike[b][other] * right) / (left + right))
            .collect();
        for (other, value) in merged.iter().enumerate() {
            alike[a][other] = *value;
            alike[other][a] = *value;
        }
        let joined = facing(likeness, std::mem::take(&mut clusters[a]), clusters.remove(b));
        clusters[a] = joined;
        alike.remove(b);
        alike.iter_mut().for_each(|row| {
            row.remove(b);
        });
    }
    clusters.into_iter().flatten().collect()
}

/// The two clusters that are most alike, the earlier first; `None` when none are alike at all.
fn closest(alike: &[Vec<f64>]) -> Option<(usize, usize)> {
    let mut best: Option<(f64, usize, usize)> = None;
    for (a, row) in alike.iter().enumerate() {
        for (b, value) in row.iter().enumerate().skip(a + 1) {
            if *value > best.map_or(0.0, |(most, ..)| most) {
                best = Some((*value, a, b));
            }
        }
    }
    best.map(|(_, a, b)| (a, b))
}

/// Both clusters in a row, each turned so that the ends that meet are most alike.
fn facing(likeness: &[Vec<f64>], left: Vec<usize>, right: Vec<usize>) -> Vec<usize> {
    let ends = |list: &[usize]| (list[0], list[list.len() - 1]);
    let ((left_first, left_last), (right_first, right_last)) = (ends(&left), ends(&right));
    let options = [
        (likeness[left_last][right_first], false, false),
        (likeness[left_first][right_first], true, false),
        (likeness[left_last][right_last], false, true),
        (likeness[left_first][right_last], true, true),
    ];
    let mut best = options[0];
    options.into_iter().filter(|option| option.0 > options[0].0).for_each(|option| {
        if option.0 > best.0 {
            best = option;
        }
    });
    let turned = |mut list: Vec<usize>, turn: bool| {
        if turn {
            list.reverse();
        }
        list
    };
    let mut joined = turned(left, best.1);
    joined.extend(turned(right, best.2));
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_confused_stands_side_by_side() {
        let mut likeness = vec![vec![0.0; 6]; 6];
        for (a, b, value) in [(0, 3, 5.0), (3, 5, 4.0), (1, 4, 3.0)] {
            likeness[a][b] = value;
            likeness[b][a] = value;
        }
        let order = by_likeness(&likeness);
        let place = |label: usize| order.iter().position(|other| *other == label).unwrap();
        assert_eq!(place(0).abs_diff(place(3)), 1, "{order:?}");
        assert_eq!(place(3).abs_diff(place(5)), 1, "{order:?}");
        assert_eq!(place(1).abs_diff(place(4)), 1, "{order:?}");
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn labels_that_are_never_confused_keep_their_order() {
        assert_eq!(by_likeness(&vec![vec![0.0; 3]; 3]), [0, 1, 2]);
    }
}
