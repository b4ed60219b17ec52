//! Structs that can hold themselves, found in one pass over what holds what.

/// For each of `count` structs: true if the struct can hold itself, directly or through others.
/// `held` lists what a struct holds directly. Each list is asked for three times, so the work grows
/// with the number of members and not with the number of paths between structs.
pub(super) fn in_cycles<'h>(count: usize, mut held: impl FnMut(usize) -> &'h [usize]) -> Vec<bool> {
    // Kosaraju's algorithm: a struct is in a cycle if its strongly connected component has another
    // member, or if it holds itself directly.
    let mut holders: Vec<Vec<usize>> = vec![Vec::new(); count];
    for holder in 0..count {
        for inner in held(holder) {
            if let Some(holders) = holders.get_mut(*inner) {
                holders.push(holder);
            }
        }
    }
    let mut seen = vec![false; count];
    let mut cyclic = vec![false; count];
    for root in innermost_first(count, &mut held).into_iter().rev() {
        if !is_first_visit(&mut seen, root) {
            continue;
        }
        let mut component = vec![root];
        let mut open = vec![root];
        while let Some(inner) = open.pop() {
            for holder in holders.get(inner).into_iter().flatten() {
                if is_first_visit(&mut seen, *holder) {
                    component.push(*holder);
                    open.push(*holder);
                }
            }
        }
        let is_cycle = component.len() > 1 || held(root).contains(&root);
        for member in component {
            if let Some(cyclic) = cyclic.get_mut(member) {
                *cyclic = is_cycle;
            }
        }
    }
    cyclic
}

/// Every struct after what it holds, as far as cycles allow.
fn innermost_first<'h>(count: usize, held: &mut impl FnMut(usize) -> &'h [usize]) -> Vec<usize> {
    let mut seen = vec![false; count];
    let mut order = Vec::with_capacity(count);
    for root in 0..count {
        if !is_first_visit(&mut seen, root) {
            continue;
        }
        // A stack of its own: a chain of types may be longer than the thread's stack is deep.
        let mut open = vec![(root, held(root).iter())];
        while let Some((holder, rest)) = open.last_mut() {
            match rest.next() {
                Some(inner) if is_first_visit(&mut seen, *inner) => {
                    open.push((*inner, held(*inner).iter()));
                }
                Some(_) => {}
                None => {
                    order.push(*holder);
                    open.pop();
                }
            }
        }
    }
    order
}

/// Marks a struct as seen; false if it was marked before, or is none.
fn is_first_visit(seen: &mut [bool], at: usize) -> bool {
    seen.get_mut(at)
        .is_some_and(|seen| !core::mem::replace(seen, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycles(held: &[Vec<usize>]) -> (Vec<bool>, usize) {
        let mut handed_out = 0;
        let cyclic = in_cycles(held.len(), |at| {
            handed_out += 1 + held[at].len();
            &held[at]
        });
        (cyclic, handed_out)
    }

    #[test]
    fn structs_in_cycles_are_found_and_those_between_cycles_are_not() {
        // 0 and 1 hold each other; 1 holds 2, 2 holds 3, 3 holds itself and 4.
        let held = [vec![1], vec![0, 2], vec![3], vec![3, 4], vec![]];
        assert_eq!(cycles(&held).0, [true, true, false, true, false]);
        assert_eq!(cycles(&[]).0, [false; 0]);
    }

    /// Counted, not timed.
    #[test]
    fn h4_the_work_grows_with_the_members_and_not_with_the_paths() {
        let ring = |count: usize| (0..count).map(|at| vec![(at + 1) % count]).collect();
        let chain = |count: usize| {
            let next = |at| if at + 1 < count { vec![at + 1] } else { vec![] };
            (0..count).map(next).collect()
        };
        // Each holds the next one twice over, which makes 2^n paths.
        let ladder = |count: usize| {
            let next = |at: usize| (at + 1..count.min(at + 3)).collect();
            (0..count).map(next).collect()
        };
        let shapes: [&dyn Fn(usize) -> Vec<Vec<usize>>; 3] = [&ring, &chain, &ladder];
        for shape in shapes {
            let held = shape(500);
            let (cyclic, work) = cycles(&held);
            let members: usize = held.iter().map(Vec::len).sum();
            assert!(work <= 3 * (held.len() + members), "{work}");
            assert!(cyclic.iter().all(|it| *it == cyclic[0]));
        }
    }
}
