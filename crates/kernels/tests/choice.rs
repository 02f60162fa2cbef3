//! The choice of a path by name.

use loquat_kernels::{Kernels, KernelsError, Path};

#[test]
fn auto_is_the_fastest_path_of_the_machine() {
    assert_eq!(Kernels::named("auto"), Ok(Kernels::detect()));
    assert_eq!(Kernels::all().first().copied(), Some(Kernels::detect()));
}

#[test]
fn portable_runs_everywhere() {
    assert_eq!(Kernels::named("portable").map(Kernels::path), Ok(Path::Portable));
    assert_eq!(Kernels::all().last().map(|kernels| kernels.path()), Some(Path::Portable));
}

#[test]
fn a_path_answers_to_the_name_that_it_prints() {
    for kernels in Kernels::all() {
        assert_eq!(Kernels::named(&kernels.path().to_string()), Ok(kernels));
    }
}

#[test]
fn refuses_names_that_it_does_not_know_and_paths_that_it_lacks() {
    assert_eq!(Kernels::named("sse"), Err(KernelsError::Unknown { name: "sse".to_owned() }));
    assert_eq!(Kernels::named("neon"), Err(KernelsError::NeonNotYet));
    let lacking = |path: Path| !Kernels::all().iter().any(|kernels| kernels.path() == path);
    for path in [Path::Avx512, Path::Avx2].into_iter().filter(|path| lacking(*path)) {
        assert_eq!(Kernels::on(path), Err(KernelsError::Unavailable { path }));
    }
}
