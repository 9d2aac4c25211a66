from importlib.metadata import version

import msgspec

from prefpipe.pipeline.provenance import Provenance


def test_provenance_names_the_prefpipe_that_made_the_table() -> None:
    assert Provenance("judge", {}).version == version("prefpipe")


def test_provenance_survives_being_written_as_json() -> None:
    made = Provenance("judge", {"repeats": 3, "seed": None}, [{"name": "responses.parquet", "sha256": "00"}])
    assert msgspec.json.decode(msgspec.json.encode(made), type=Provenance) == made


def test_equal_runs_have_equal_provenance_as_it_holds_no_time() -> None:
    assert set(msgspec.to_builtins(Provenance("judge", {}))) == {"stage", "settings", "inputs", "version"}
