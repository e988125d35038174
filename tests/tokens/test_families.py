"""Families of refresh tokens: one good secret at a time, and what ends them."""

from collective.wsgifutures.jobs.origin import Origin
from collective.wsgifutures.keys.opaque import PATTERN
from collective.wsgifutures.keys.opaque import REFRESH
from collective.wsgifutures.keys.opaque import write_secret
from collective.wsgifutures.tokens.families import DAY
from collective.wsgifutures.tokens.families import Family
from collective.wsgifutures.tokens.families import find_families
from collective.wsgifutures.tokens.families import find_family
from collective.wsgifutures.tokens.families import GRACE
from collective.wsgifutures.tokens.families import IDLE
from collective.wsgifutures.tokens.families import LONGEST_LIFE
from collective.wsgifutures.tokens.families import make_family
from collective.wsgifutures.tokens.families import MOST_PER_USER
from collective.wsgifutures.tokens.families import read_shown
from collective.wsgifutures.tokens.families import Reused
from collective.wsgifutures.tokens.families import SWEPT
from collective.wsgifutures.tokens.scope import make_scope
from hypothesis import given
from hypothesis import strategies as st
from ZODB.POSException import ConflictError

import pytest

NOW = 20_000 * DAY + 5.0
SCOPE = make_scope(["read:", "read:@history"], "uid1")


def begin(host, user="ann", folder="/plone", now=NOW, name="A laptop"):
    """Return a family that is kept, and its first secret."""
    made = make_family(host.place(), name, Origin(user=user, folder=folder), SCOPE, now)
    host.commit()
    return made


def use(family, secret, now):
    """Return what follows a secret."""
    shown = read_shown(secret)
    assert family.has(shown)
    return family.rotate(shown, now)


@pytest.fixture
def host(open_host):
    return open_host()


# Rotation


def test_a_family_is_what_was_kept(open_host):
    """By whoever comes later; its secret has its id, which logs may have."""
    one, two = open_host(), open_host()
    made, secret = begin(one)
    two.abort()
    family = find_family(two.place(), made.id, NOW)
    assert (family.origin.user, family.origin.folder, family.name) == ("ann", "/plone", "A laptop")
    assert (family.scope, family.started) == (SCOPE, NOW)
    assert read_shown(secret).family == family.id
    assert PATTERN.fullmatch(secret)


def test_each_secret_is_followed_by_another_one(host):
    """None is like one before."""
    family, secret = begin(host)
    seen = {secret}
    for number in range(1, 200):
        secret = use(family, secret, NOW + number * 60)
        seen.add(secret)
    assert len(seen) == 200
    assert {read_shown(one).family for one in seen} == {family.id}


def test_the_secret_before_gives_the_very_same_successor_for_a_while(host):
    """An answer may be lost, and two tabs may ask at once. Nothing is written then."""
    family, first = begin(host)
    second = use(family, first, NOW + 60)
    host.commit()
    for later in (0.0, 1.0, GRACE - 0.001, -3.0):  # another host's clock may be behind
        assert use(family, first, NOW + 60 + later) == second
    assert not host.written
    assert use(family, second, NOW + 90) != second


@pytest.mark.parametrize("later", [GRACE, GRACE + 1, 10 * DAY])
def test_the_secret_before_is_reused_later(host, later):
    """Then two parties have the family."""
    family, first = begin(host)
    use(family, first, NOW)
    with pytest.raises(Reused):
        use(family, first, NOW + later)


def test_an_earlier_secret_is_reused_at_once(host):
    """Its successor was used, so it has arrived."""
    family, first = begin(host)
    second = use(family, first, NOW)
    use(family, second, NOW + 1)
    with pytest.raises(Reused):
        use(family, first, NOW + 1)


def test_the_time_of_grace_is_not_prolonged_by_asking(host):
    """It counts from when the successor was given first."""
    family, first = begin(host)
    use(family, first, NOW)
    use(family, first, NOW + GRACE - 1)
    with pytest.raises(Reused):
        use(family, first, NOW + GRACE + 1)


@given(st.binary(min_size=26, max_size=26), st.booleans())
def test_what_somebody_makes_up_is_none_of_a_family(bits, with_id):
    """Though its id is in logs: so nobody else can end it."""
    family = Family("00112233aabb", "", Origin(user="ann", folder="/plone"), SCOPE, NOW)
    id = bytes.fromhex(family.id) if with_id else bits[:6]
    assert not family.has(read_shown(write_secret(REFRESH, id + bits)))


def test_a_secret_of_another_family_is_none_of_this_one(host):
    """Nor with the id of this one."""
    family, first = begin(host)
    other, second = begin(host)
    assert family.id != other.id
    assert not family.has(read_shown(second))
    moved = bytes.fromhex(family.id) + read_shown(second).bits[6:]
    assert not family.has(read_shown(write_secret(REFRESH, moved)))
    assert family.has(read_shown(first))


@pytest.mark.parametrize("text", [None, "", 7, "wsgifutures_refresh_", "wsgifutures_app_x", "é"])
def test_what_is_no_secret_is_not_looked_up(text):
    """Whatever a client sends."""
    assert read_shown(text) is None


# Two at once


def test_two_processes_that_use_a_secret_at_once_give_the_same_successor(open_host):
    """One of them conflicts, is published again, and finds it used a moment ago."""
    one, two = open_host(), open_host()
    made, first = begin(one)
    two.abort()
    families = [find_family(each.place(), made.id, NOW) for each in (one, two)]
    second = use(families[0], first, NOW)
    assert use(families[1], first, NOW) == second
    one.commit()
    with pytest.raises(ConflictError):
        two.commit()
    two.abort()
    assert use(find_family(two.place(), made.id, NOW), first, NOW + 1) == second
    assert not two.written
    one.abort()
    third = use(find_family(one.place(), made.id, NOW), second, NOW + 1)
    one.commit()
    assert third not in (first, second)


def test_a_family_that_ends_while_it_is_used_has_ended(open_host):
    """Whoever of the two is committed first."""
    for first_one in range(2):
        one, two = open_host(), open_host()
        made, secret = begin(one)
        two.abort()
        use(find_family(one.place(), made.id, NOW), secret, NOW)
        find_families(two.place()).drop(find_family(two.place(), made.id, NOW))
        for each in (one, two) if first_one else (two, one):
            each.commit()
        one.abort()
        assert find_family(one.place(), made.id, NOW) is None


# Ends


def test_a_family_that_nobody_uses_ends(host):
    """Counted from its last use."""
    family, secret = begin(host)
    use(family, secret, NOW + 7 * DAY)
    end = NOW + 7 * DAY + IDLE
    assert find_family(host.place(), family.id, end - 1) is family
    assert find_family(host.place(), family.id, end) is None


def test_a_family_ends_however_often_it_is_used(host):
    """The user logs in again then."""
    family, secret = begin(host)
    for day in range(1, 180):
        secret = use(family, secret, NOW + day * DAY)
    assert family.ends == NOW + LONGEST_LIFE
    assert find_family(host.place(), family.id, NOW + LONGEST_LIFE - 1) is family
    assert find_family(host.place(), family.id, NOW + LONGEST_LIFE) is None


@pytest.mark.parametrize("id", [None, 7, "", "00", ["x"], "é"])
def test_an_id_that_is_not_there_finds_nothing(host, id):
    """Whatever a token says."""
    assert find_family(host.place(), id, NOW) is None
    begin(host)
    assert find_family(host.place(), id, NOW) is None


def test_the_families_of_a_user_are_those_of_that_user_of_that_folder(host):
    """The one that was used last is first."""
    made = [
        begin(host, user, folder, NOW + number)
        for number, (folder, user) in enumerate(
            [("/plone", "ann"), ("", "ann"), ("/plone", "anna"), ("/plone", "ann")]
        )
    ]
    ids = [family.id for family, _ in made]
    of = find_families(host.place()).of_user
    assert [one.id for one in of("/plone", "ann")] == [ids[3], ids[0]]
    assert [one.id for one in of("", "ann")] == [ids[1]]
    use(*made[0], NOW + 60)
    assert [one.id for one in of("/plone", "ann")] == [ids[0], ids[3]]


def test_one_user_has_so_many_families_at_most(host):
    """Another login ends the one that was idle for longest; nobody else's."""
    other, _ = begin(host, "bob")
    oldest, secret = begin(host, now=NOW)
    second, _ = begin(host, now=NOW + 1)
    for number in range(2, MOST_PER_USER):
        begin(host, now=NOW + number)
    use(oldest, secret, NOW + 100)
    begin(host, now=NOW + 101)
    families = find_families(host.place())
    assert len(families.of_user("/plone", "ann")) == MOST_PER_USER
    assert second.id not in families.by_id
    assert {oldest.id, other.id} <= set(families.by_id)


def test_what_has_ended_is_dropped_by_later_logins(host):
    """And what was used since is looked at again, when it may have ended."""
    kept, secret = begin(host, "u0")
    for number in range(1, 2 * SWEPT):
        begin(host, f"u{number}")
    use(kept, secret, NOW + 20 * DAY)
    families, later = find_families(host.place()), NOW + IDLE + 2 * DAY
    for number in range(3):
        begin(host, f"new{number}", now=later)
    assert len(families.by_id) == 3 + 1
    assert kept.id in families.by_id
    begin(host, "last", now=NOW + 20 * DAY + IDLE + 2 * DAY)
    assert kept.id not in families.by_id
    assert len(families.by_day) == len(families.by_id) == len(families.by_user) == 4


def test_two_sites_have_families_of_their_own(host):
    """A copy has the UID of the first, or its path, and none of its families."""
    made = make_family(host.place("1", "/a"), "", Origin(user="ann"), SCOPE, NOW)[0]
    assert find_family(host.place("1", "/a"), made.id, NOW) is made
    for place in (host.place("1", "/b"), host.place("2", "/a")):
        assert find_family(place, made.id, NOW) is None


# What is at rest


def test_a_use_writes_one_record(host):
    """And no tree, whose records are large and shared."""
    family, secret = begin(host)
    for number in range(5):
        secret = use(family, secret, NOW + number)
        assert host.written == [family]
        host.commit()


def test_the_storage_does_not_grow_with_use(open_host, tmp_path):
    """Ten thousand refreshes, then a pack; and no secret is anywhere in the file."""
    host = open_host()
    family, secret = begin(host)
    path, seen = tmp_path / "Data.fs", [secret]
    host.connection.db().pack()
    before = path.stat().st_size
    for number in range(10_000):
        secret = use(family, secret, NOW + number * 60)
        seen.append(secret)
        host.commit()
    written = path.read_bytes()
    assert not [one for one in seen if one.encode() in written]
    assert not [one for one in seen if read_shown(one).bits in written]
    assert not [one for one in seen if one[20:63].encode() in written]
    host.connection.db().pack()
    assert path.stat().st_size < before + 2000


def test_the_database_alone_makes_no_secret(host):
    """Of all that is kept, nothing is one, and nothing that follows from it with the key."""
    family, secret = begin(host)
    current = use(family, secret, NOW)
    for kept in (family._key, family._current, family._before):
        for bits in (kept, family.id.encode() + kept[:26]):
            shown = read_shown(write_secret(REFRESH, bits[:32].ljust(32, b"\0")))
            assert family._successor(shown) != current
            assert shown.text != current
