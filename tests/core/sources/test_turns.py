"""Whose turn it is among the sources."""

from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.sources.turns import in_turn

names = st.lists(st.text("abcdef", min_size=1), unique=True)


@given(names, st.sampled_from(["", *"abcdefgz"]))
def test_every_source_comes_once_beginning_with_the_one_whose_turn_it_is(sources, turn):
    order = in_turn(sources, turn)

    assert sorted(order) == sorted(sources)
    if order and any(name >= turn for name in sources):
        assert order[0] == min(name for name in sources if name >= turn)
