"""What handlers take is declared by types that are hashed one by one, as Litestar's are not: version 2.25.0,
litestar/params.py, `ParameterKwarg.__hash__`; findings/litestar-parameter-hash.sh shows it."""

from typing import Annotated, Any, get_args

import pytest

from delta_server.http.parameters import FromPath, FromQuery, JSONBody, QueryParameter


def test_each_declaration_has_a_hash_of_its_own():
    made = [QueryParameter(ge=1, description="one") for _ in range(100)]
    assert len({hash(each) for each in made}) == len(set(made)) == 100
    assert made[0] == made[0] != made[1]


@pytest.mark.parametrize("form", [FromPath, FromQuery, JSONBody, Annotated[str, QueryParameter()]])
def test_a_declaration_is_compared_with_itself_alone(form: Any):
    _, declared = get_args(form[str] if form in (FromPath, FromQuery, JSONBody) else form)
    twin = type(declared)(media_type=declared.media_type) if form is JSONBody else type(declared)()
    assert hash(declared) == object.__hash__(declared)
    assert declared != twin
