"""The test laboratory: private IMAP servers, a fault proxy, a scripted server, and a witness.

Nothing in here knows how mailhaul works: it only starts servers, fills them, disturbs them and compares accounts.

    from lab.dovecot import Dovecot
    from lab import corpus, load, witness

    with Dovecot() as src, Dovecot(separator=".") as dst:
        load.fill(src, "anna", corpus.small())
        ...                                     # copy src to dst by any means
        assert witness.diff(witness.read(src, "anna"), witness.read(dst, "anna")) == []
"""
