from api.cli.data_source import unknown


def test_the_nearest_names_are_suggested():
    names = ["warehouse", "demo_shop", "Shop", "Größe"]
    assert "Did you mean demo_shop" in unknown("demoshop", names)
    assert "Did you mean Shop" in unknown("SHOPP", names)
    assert "Did you mean Größe?" in unknown("grösse", names)
    assert "Did you mean" not in unknown("zzz", names)
    assert "headwater sources" in unknown("zzz", names)


def test_where_there_is_none_it_says_how_to_add_one():
    assert "headwater sources add" in unknown("x", [])


def test_names_are_shown_safely():
    assert "\x1b" not in unknown("\x1b[2J", ["\x1b[3J"])
