"""What all routes share. A feature's `api.py` looks like this:

    @post(
        "/v1/things",
        summary="Create a thing",
        tags=["Things"],
        opt=example(request={"name": "users"}, answer={"id": "01890a5d-...", "name": "users"}),
    )
    async def create_thing(
        services: NamedDependency[Services],
        project: NamedDependency[int],          # the caller's project; `caller: NamedDependency[Caller]` for the rest
        idempotency_key: NamedDependency[IdempotencyKey],   # in every POST that creates
        data: JSONBody[NewThing],               # a Struct(forbid_unknown_fields=True), snake_case
    ) -> Response[bytes]:
        return idempotency.respond(await service.create_thing(services, project, data, idempotency_key))

    @get("/v1/things", summary="List things", tags=["Things"], opt=example(answer={...}))
    async def list_things(
        request: Request[Any, Any, Any], services: NamedDependency[Services], project: NamedDependency[int],
        limit: Limit = DEFAULT_LIMIT, cursor: CursorText = None,
    ) -> Response[Page[Thing]]:
        return pagination.respond(request, await service.list_things(services, project, limit, cursor))

    @get("/v1/things/{thing:str}", ...)
    async def get_thing(thing: FromPath[str], ...) -> Thing: ...

    ROUTES = [create_thing, list_things, get_thing]

- Each route has its row in the guards of the feature's feature.py; `project` and `caller` do not exist in public ones.
- Query parameters: `name: FromQuery[str]`, or `Annotated[int, QueryParameter(ge=0, description="...")]`. Unknown and
  repeated ones are refused and camelCase is renamed before the handler runs; a list is `FromQuery[list[str]]`.
- Path parameters arrive fully decoded (`GET /prices` for `GET%20%2Fprices`).
- A document as its bytes: `await body.document(request)`, then `json_text.check` where it is stored. With
  `opt=example(request=..., answer=..., media_type="application/json")` it is in the documentation too.
- Exact bytes: `Response(data, media_type=MediaType.JSON, headers=conditional.headers(tag))`, after
  `if unchanged := conditional.not_modified(request, tag): return unchanged`.
- Errors are raised (core/errors.py), never returned.
"""
