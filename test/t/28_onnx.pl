# ctr_to_onnx: what the file says of the encoder, in databases of several encodings and for names and categories that JSON has
# to escape; a cancel; a build without protobuf-c. By onnx and onnxruntime (test/parity/onnx_parity.py): ONNX's checker takes
# the files of all architectures, and they score as ctr_predict does, raw rows by the example of docs/onnx.md too.
use strict;
use warnings;
use CtrTest;
use JSON::PP;
use Test::More;

# without protobuf-c
if (query('SELECT onnx IS NULL FROM ctr_build_info()') eq 't')
{
    query(q{CREATE TABLE m AS SELECT ctr_train(r, ctr_fit(epochs => 1)) AS model FROM (SELECT i % 2 AS label, i % 3 AS x FROM generate_series(1, 99) i) r});
    query_fails('SELECT ctr_to_onnx(model) FROM m', '0A000', 'ONNX is not supported', 'a build without protobuf-c says so');
    done_testing();
    exit;
}

my $options = q{ctr_fit(epochs => 1, min_count => 1, crosses => '[["a", "b"]]')};

# the encoder's description in the file of a model of these rows, from a database of its own
sub encoder
{
    my ($encoding, $rows) = @_;
    my $database = "${CtrTest::database}_" . lc $encoding;
    query("DROP DATABASE IF EXISTS $database", database => 'postgres');
    query("CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0", database => 'postgres');
    my $file = query("SET client_min_messages = warning; CREATE EXTENSION ctr; SET client_encoding = 'SQL_ASCII';
        SELECT encode(ctr_to_onnx(ctr_train(r, $options)), 'hex') FROM ($rows) r", database => $database);
    query("DROP DATABASE $database", database => 'postgres');
    my ($json) = pack('H*', $file) =~ /(\{"format":1,.*?\]\}\]\})/s or die "no description\n";
    return decode_json($json);
}

# the categories of the column of this name, sorted
sub categories
{
    my ($encoder, $column) = @_;
    my ($field) = grep { $_->{kind} eq 'category' && $_->{column} eq $column } @{ $encoder->{x_cat} };
    return join '|', sort map { $_ // 'null' } @{ $field->{categories} };
}

my $rows = q{SELECT i % 2 AS label, i % 7 AS x, (ARRAY['plain', E'"\\\\ \n\t', '%s'])[i %% 3 + 1] AS a, i %% 2 = 0 AS b, i %% 5 = 0 AS "%s" FROM generate_series(1, 99) i};
$rows =~ s/ % / %% /g;

# ü in UTF-8 and in Latin-1, a byte that is no UTF-8 where the database knows no encoding
my $utf8 = encoder('UTF8', sprintf $rows, "\xc3\xbc", "\"\"q\"\" \\\n\xc3\xbc");
is(categories($utf8, 'a'), "\"\\ \n\t|plain|\xfc", 'UTF8: categories are what they are');
is(categories($utf8, "\"q\" \\\n\xfc"), 'false|true', 'and so is a column of any name');
my $latin1 = encoder('LATIN1', sprintf $rows, "\xfc", "\"\"q\"\" \\\n\xfc");
is_deeply([ map { categories($latin1, $_) } 'a', "\"q\" \\\n\xfc" ], [ map { categories($utf8, $_) } 'a', "\"q\" \\\n\xfc" ], 'LATIN1: the same in UTF-8');
my $ascii = encoder('SQL_ASCII', sprintf $rows, "\xfc", 'q');
is(categories($ascii, 'a'), "\"\\ \n\t|null|plain", 'SQL_ASCII: what is no UTF-8 is null, and keeps its code');

# what there is, in its order
is(join(' ', map { $_->{kind} } @{ $utf8->{x_cat} }), 'category category category bucket cross', 'fields in the order of x_cat');
is_deeply([ map { scalar @{ $_->{statistics} } } @{ $utf8->{x_cat} }[ 0, 1 ] ], [ 5, 4 ], 'a statistic for each code');
is_deeply($utf8->{x_cat}[4]{fields}, [ 0, 1 ], 'a cross says of which fields');
is(scalar @{ $utf8->{x_cat}[4]{categories} }, 6, 'and which pairs');
is($utf8->{x_num}[0]{transform}, 'quantile', 'a transform by name');

is(query('SELECT ctr_to_onnx(NULL) IS NULL'), 't', 'of no model none');

my $python = $ENV{PYTHON} // 'python3';
SKIP:
{
    skip "left out: scores by onnxruntime: $python lacks numpy, onnx or onnxruntime", 1
      if system("$python -c 'import numpy, onnx, onnxruntime' 2>/dev/null") != 0;
    for my $line (`$python test/parity/onnx_parity.py 2>&1`)
    {
        next unless $line =~ /^(ok|not ok) - (.*)/;
        is($1, 'ok', $2);
    }
    is($?, 0, 'onnx_parity.py ends well');
}
done_testing();
