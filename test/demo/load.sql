-- load.sql: the table for Criteo's click log, empty. COPY fills it; id keeps the file's order, which is that of time.
CREATE TABLE criteo (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label smallint NOT NULL,
    i1 int, i2 int, i3 int, i4 int, i5 int, i6 int, i7 int, i8 int, i9 int, i10 int, i11 int, i12 int, i13 int,
    c14 text, c15 text, c16 text, c17 text, c18 text, c19 text, c20 text, c21 text, c22 text, c23 text, c24 text,
    c25 text, c26 text, c27 text, c28 text, c29 text, c30 text, c31 text, c32 text, c33 text, c34 text, c35 text,
    c36 text, c37 text, c38 text, c39 text);
