//! A view of a row-major matrix whose rows may lie apart.

/// Rows of `columns` numbers, the first numbers of consecutive rows `stride` apart.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> Matrix<'a> {
    /// All of `data` as rows of `columns` numbers, `[data.len() / columns, columns]`.
    ///
    /// # Panics
    /// When `data` is not a whole number of rows.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        assert!(
            columns > 0 && data.len().is_multiple_of(columns),
            "{} numbers in rows of {columns}",
            data.len()
        );
        Self { data, rows: data.len() / columns, columns, stride: columns }
    }

    /// The `count` columns from `first` on, of the same rows: one of Q, K, V in their joint product, or one head of it.
    ///
    /// # Panics
    /// When the matrix has fewer columns.
    pub fn columns(self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.columns, "columns {first}..{} of {}", first + count, self.columns);
        let data = if self.rows == 0 { self.data } else { &self.data[first..] };
        Self { data, columns: count, ..self }
    }

    /// The `count` rows from `first` on.
    ///
    /// # Panics
    /// When the matrix has fewer rows.
    pub fn rows(self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.rows, "rows {first}..{} of {}", first + count, self.rows);
        let data = if count == 0 { &[] } else { &self.data[first * self.stride..] };
        Self { data, rows: count, ..self }
    }

    /// Number of rows.
    pub fn row_count(self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn width(self) -> usize {
        self.columns
    }

    /// Row `index`, `[columns]`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(self, index: usize) -> &'a [f32] {
        assert!(index < self.rows, "row {index} of {}", self.rows);
        &self.data[index * self.stride..][..self.columns]
    }

    /// Distance between the starts of rows.
    pub(crate) fn stride(self) -> usize {
        self.stride
    }

    /// Where the first row starts; row `r` spans `r * stride..r * stride + columns`, all inside one slice.
    pub(crate) fn as_ptr(self) -> *const f32 {
        self.data.as_ptr()
    }
}
