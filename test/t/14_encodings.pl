# A model goes from a database of one encoding to another and back: categories that one cannot spell keep their place.
use strict;
use warnings;
use CtrTest;
use Test::More;

# texts as bytes of an encoding
my %utf8 = (euro => "\xe2\x82\xac", japan => "\xe6\x97\xa5\xe6\x9c\xac", e => "\xc3\xa9", u => "\xc3\xbc", because => "\xe2\x88\xb5");
my %latin1 = (e => "\xe9", u => "\xfc");
my %euc_jp = (japan => "\xc6\xfc\xcb\xdc", because => "\xa2\xe8", because_too => "\xad\xfa", unassigned => "\x8f\xa1\xa1");

my %databases = map { $_ => "${CtrTest::database}_" . lc } qw(LATIN1 EUC_JP WIN1252 SQL_ASCII);
for my $encoding (keys %databases) {
    query("DROP DATABASE IF EXISTS $databases{$encoding}", database => 'postgres');
    query("CREATE DATABASE $databases{$encoding} ENCODING '$encoding' LOCALE 'C' TEMPLATE template0", database => 'postgres');
}
$databases{UTF8} = $CtrTest::database;
my $setup = <<'END';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE TABLE models (name text, model ctr_model);
CREATE FUNCTION code(name text, word text) RETURNS int LANGUAGE sql AS
$$ SELECT x_cat[1] FROM models m, (SELECT word) r, ctr_encode(model, r) WHERE m.name = $1 $$;
CREATE FUNCTION quick() RETURNS jsonb LANGUAGE sql AS $$ SELECT ctr_fit(epochs => 1, min_count => 1, validation => 0) || '{"mlp_layers": [4]}' $$;
END
query($setup, database => $_) for values %databases;

sub in_database { my ($encoding, $sql) = @_; return query("SET client_min_messages = warning;\n$sql", database => $databases{$encoding}) }

# Trains a model of these words in an encoding, each in two rows more than the next, so that they are numbered as they
# come; given: the name of the one to go on from.
sub train
{
    my ($encoding, $name, $given, @words) = @_;
    my $values = join ', ', map { sprintf("('%s', %d)", $words[$_], 10 + 2 * ($#words - $_)) } 0 .. $#words;
    my $model = $given ? ", (SELECT model FROM models WHERE name = '$given')" : '';
    in_database($encoding, "INSERT INTO models SELECT '$name', ctr_train(r, quick()$model)
        FROM (SELECT word, i % 2 AS label FROM (VALUES $values) w (word, n), generate_series(1, n) i) r");
}

sub carry
{
    my ($name, $from, $to) = @_;
    my $bytes = in_database($from, "SELECT model FROM models WHERE name = '$name'");
    in_database($to, "DELETE FROM models WHERE name = '$name'; INSERT INTO models VALUES ('$name', '$bytes')");
    return $bytes;
}

sub codes
{
    my ($encoding, $name, @words) = @_;
    return join ' ', map { in_database($encoding, "SELECT code('$name', '$_')") } @words;
}

my @words = ('a', @utf8{qw(euro e japan because)});
train('UTF8', 'given', undef, @words);
is(codes('UTF8', 'given', @words), '2 3 4 5 6', 'trained in UTF8');
my $given = carry('given', 'UTF8', 'LATIN1');
is(in_database('LATIN1', "SELECT model FROM models"), $given, 'the same bytes in LATIN1');
is(codes('LATIN1', 'given', 'a', $latin1{e}, $latin1{u}), '2 4 0', 'its categories, as far as LATIN1 spells them');
is(in_database('LATIN1', "SELECT count(p) FROM (SELECT ctr_predict(model, r) AS p FROM models, (SELECT 'a' AS word) r) s WHERE p BETWEEN 0 AND 1"), 1, 'it scores');
carry('given', 'UTF8', 'EUC_JP');
is(codes('EUC_JP', 'given', 'a', @euc_jp{qw(japan unassigned)}), '2 5 0', 'in EUC_JP');
carry('given', 'UTF8', 'SQL_ASCII');
is(codes('SQL_ASCII', 'given', @words), '2 3 4 5 6', 'in SQL_ASCII the bytes are the same');

my $bytes = q{SELECT (ctr_tensor(model, 'ctr.categorical.bytes'))[1:%d] FROM models WHERE name = '%s'};
my $length = length join '', @words;
for my $encoding ('LATIN1', 'EUC_JP') {
    my $new = $encoding eq 'LATIN1' ? $latin1{u} : $euc_jp{unassigned};
    train($encoding, 'gone_on', 'given', 'a', $new);
    is(codes($encoding, 'gone_on', 'a', $new), '2 7', "gone on from in $encoding");
    carry('gone_on', $encoding, 'UTF8');
    is(codes('UTF8', 'gone_on', @words), '2 3 4 5 6', 'and back in UTF8');
    is(in_database('UTF8', sprintf $bytes, $length, 'gone_on'), in_database('UTF8', sprintf $bytes, $length, 'given'), 'byte for byte');
}
carry('gone_on', 'UTF8', 'EUC_JP');
is(codes('EUC_JP', 'gone_on', $euc_jp{unassigned}), '7', 'what UTF-8 cannot spell comes back to where it is a text');
is(codes('UTF8', 'gone_on', "\xc2\x81"), '0', 'and is no other text elsewhere');

train('EUC_JP', 'twins', undef, @euc_jp{qw(because because_too)});
carry('twins', 'EUC_JP', $_) for 'UTF8', 'EUC_JP';
is(codes('EUC_JP', 'twins', @euc_jp{qw(because because_too)}), '2 3', 'two texts that are one in UTF-8');
is(codes('UTF8', 'twins', $utf8{because}), '2', 'of which one is it there');

train('WIN1252', 'win', undef, 'a', "\x81", "\x80");
carry('win', 'WIN1252', $_) for 'UTF8', 'WIN1252';
is(codes('WIN1252', 'win', 'a', "\x81", "\x80"), '2 3 4', 'a byte of WIN1252 that is no character');
is(codes('UTF8', 'win', 'a', $utf8{euro}), '2 4', 'beside one that is');

train('SQL_ASCII', 'raw', undef, 'a', "\xe9", "\xff\xfe", $utf8{e});
carry('raw', 'SQL_ASCII', $_) for qw(UTF8 LATIN1 EUC_JP);
is(codes('UTF8', 'raw', 'a', $utf8{e}), '2 5', 'bytes that are no UTF-8, from SQL_ASCII');
is(codes('LATIN1', 'raw', 'a', $latin1{e}), '2 5', 'read in LATIN1');
train('LATIN1', 'raw_on', 'raw', 'a', $latin1{u});
carry('raw_on', 'LATIN1', 'SQL_ASCII');
is(codes('SQL_ASCII', 'raw_on', 'a', "\xe9", "\xff\xfe", $utf8{e}, "\xc3\xbc"), '2 3 4 5 6', 'and brought back');

my %columns = ('a feature' => '1 AS label, 2 AS "%s"', 'the label' => '1 AS "%s", 2 AS x', 'an ignored column' => '1 AS label, 2 AS x, 3 AS "%s"');
for my $what (sort keys %columns) {
    my $columns = sprintf $columns{$what}, "n\xe9";
    my $options = $what eq 'the label' ? "n\xe9" : 'label';
    my $ignore = $what eq 'an ignored column' ? "n\xe9" : '';
    query_fails(qq{SELECT ctr_train(r, ctr_fit(label => '$options', ignore => '{$ignore}')) FROM (SELECT $columns) r},
        '22P05', qr/column "n\xe9" has a name that UTF-8 cannot spell/, "$what whose name is no UTF-8", database => $databases{SQL_ASCII});
}
query_fails(qq{SELECT ctr_train(r) FROM (SELECT 1 AS label, 2 AS "n\x81") r}, '22P05', qr/column "n\x81" has a name/,
    'or has a byte that is no character', database => $databases{WIN1252});

# Names have the same letter, and categories and pairs of them one that others lack: everywhere the model scores the letter alike, says
# what it is in texts that are the database's, and comes back as it was.
my %letter = (UTF8 => $utf8{u}, LATIN1 => $latin1{u}, WIN1252 => $latin1{u}, EUC_JP => "\x8f\xab\xe4", SQL_ASCII => $utf8{u});
my %own = (UTF8 => $utf8{euro}, LATIN1 => "\xbf", WIN1252 => "\x81", EUC_JP => $euc_jp{unassigned}, SQL_ASCII => "\xff\xfe");
my $texts = q{SELECT concat((SELECT string_agg(concat(v), '') FROM %s v), ctr_describe(model), ctr_config(model), ctr_report(model), ctr_plot(model, 'importance')) AS t FROM models WHERE name = '%s'};
for my $from (sort keys %letter) {
    my ($u, $own) = ($letter{$from}, $own{$from});
    in_database($from, qq{INSERT INTO models SELECT 'named', ctr_train(r, quick() || '{"crosses": [["n$u", "d"]]}')
        FROM (SELECT i % 2 AS label, i % 3 AS "x$u", CASE i % 3 WHEN 0 THEN '$u' WHEN 1 THEN '$own' ELSE 'a' END AS "n$u", 'd' || i % 2 AS d FROM generate_series(1, 100) i) r});
    my $score = sub { my ($in) = @_; my $v = $letter{$in};
        return in_database($in, qq{SELECT ctr_predict(model, r) FROM models, (SELECT '$v' AS "n$v", 1 AS "x$v", 'd1' AS d) r WHERE name = 'named'}) };
    my $given = in_database($from, "SELECT model FROM models WHERE name = 'named'");
    my $expected = $score->($from);
    for my $to (grep { $_ ne $from } sort keys %letter) {
        my $v = $letter{$to};
        carry('named', $from, $to);
        is($score->($to), $expected, "$from to $to: names and categories");
        for my $rows ("ctr_vocabulary(model, 'n$v')", "ctr_vocabulary(model, 'n$v*d')", 'ctr_features(model)', "ctr_embeddings(model, 'n$v')",
            qq{(SELECT '$own{$to}' AS "n$v", 1 AS "x$v", 'd1' AS d) r, ctr_explain(model, r)}) {
            my $t = sprintf $texts, $rows, 'named';
            is(in_database($to, $to eq 'SQL_ASCII' ? "SELECT t > '' FROM ($t) s" : "SELECT convert_from(convert_to(t, '$to'), '$to') = t AND reverse(t) > '' FROM ($t) s"), 't', "texts: $rows");
        }
        carry('named', $to, $from);
        is(in_database($from, "SELECT model FROM models WHERE name = 'named'"), $given, 'and back');
        in_database($to, "DELETE FROM models WHERE name = 'named'");
    }
    in_database($from, "DELETE FROM models WHERE name = 'named'");
}

query("DROP DATABASE $databases{$_}", database => 'postgres') for grep { $_ ne 'UTF8' } keys %databases;
done_testing();
