# Forged models: whatever a file claims, the answer is that it is invalid, or it can be scored and trained on.
use strict;
use warnings;
use CtrTest;
use File::Temp qw(tempdir);
use Safetensors;
use Storable qw(dclone);
use Test::More;

my $dir = tempdir('/tmp/ctr-forged.XXXXXX', CLEANUP => 1);
chmod 0755, $dir;

sub put
{
    my ($bytes) = @_;
    open my $file, '>:raw', "$dir/model" or die;
    print $file $bytes;
    close $file;
}

query(<<'END');
CREATE TABLE rows AS SELECT i % 2 AS label, nullif(i % 7, 0) AS x, 'c' || i % 5 AS c FROM generate_series(1, 60) i;
CREATE TABLE models AS SELECT ctr_train(r, ctr_fit(epochs => 2, min_count => 1, patience => 0) || '{"mlp_layers": [2]}') AS model FROM rows r;
CREATE FUNCTION attempt(path text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    given ctr_model;
    further ctr_model;
BEGIN
    given := pg_read_binary_file(path)::ctr_model;
    SELECT ctr_train(r, '{"epochs": 2}', given) INTO further FROM rows r;
    RETURN CASE WHEN ctr_predict(further::bytea::ctr_model, r) BETWEEN 0 AND 1 THEN 'trained on' END FROM rows r LIMIT 1;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
END
my $good = pack 'H*', query(q{SELECT encode(model::bytea, 'hex') FROM models});
my $model = read_model($good);
my $count_most = 2**53 - 1;

sub tensor { my ($model, $name) = @_; return (grep { $_->{name} eq $name } @{$model->{tensors}})[0] }

# what becomes of the good model, changed by a function
sub attempt
{
    my ($change) = @_;
    my $changed = dclone($model);
    $change->($changed);
    put(write_model($changed));
    return query("SET client_min_messages = warning; SELECT attempt('$dir/model')");
}

sub is_invalid
{
    my ($name, $message, $change) = @_;
    like(attempt($change), qr/^22P03: invalid ctr_model: $message/, $name);
}

is(attempt(sub {}), 'trained on', 'the good model, put together again');

# counts that training adds to
my $counters = 'mlp.mlp.1.num_batches_tracked';
for my $name ('ctr.features.missing', $counters)
{
    for my $count (-1, -2**63, 9223372036854775807, $count_most + 1)
    {
        is_invalid("$name of $count", 'feature .* is missing|tensor .* is not finite or out of its range',
            sub { substr(tensor($_[0], $name)->{data}, 0, 8) = pack 'q<', $count });
    }
    is(attempt(sub { substr(tensor($_[0], $name)->{data}, 0, 8) = pack 'q<', $count_most }), 'trained on', "the largest $name");
}
is(attempt(sub { substr(tensor($_[0], 'ctr.categorical.frequency')->{data}, 0, 4) = pack 'l<', 2**31 - 1 }), 'trained on', 'the largest frequency');
for my $key (qw(training_rows validation_rows skipped_rows))
{
    is(attempt(sub { $_[0]{metadata}{$key} = $count_most }), 'trained on', "the largest $key");
    is_invalid("$key of '$_'", 'metadata entry', sub { $_[0]{metadata}{$key} = $_ }) for $count_most + 1, '9' x 19, '+1', '';
}
is_invalid('a best epoch that is none of its epochs', 'metadata entry', sub { $_[0]{metadata}{best_epoch} = 3 });

# a history of so many epochs
sub set_epochs
{
    my ($model, $epochs, $seconds) = @_;
    my $history = tensor($model, 'ctr.history');
    $history->{shape}[0] = $epochs;
    $history->{data} = "\0" x (48 * $epochs);
    $model->{metadata}{epoch_seconds} = '[' . join(',', ('        1.000000') x ($seconds // $epochs)) . ']';
    $model->{metadata}{best_epoch} = 1;
}
is_invalid('more epochs than a history has', 'it has 1000001 epochs', sub { set_epochs($_[0], 1000001) });
is_invalid('seconds of more epochs', 'metadata entry "epoch_seconds"', sub { set_epochs($_[0], 5, 5000000) });
is_invalid('a history of 40 million epochs by its seconds', 'its header of', sub { $_[0]{metadata}{epoch_seconds} = '[' . '00,' x 39999999 . '00]' });
is(attempt(sub { set_epochs($_[0], 999998) }), 'trained on', 'as many epochs as there can be, two of them added');
like(attempt(sub { set_epochs($_[0], 999999) }), qr/^54000: the model's history would be too long/, 'one more is refused before the training');

# lists that are larger than anything that reads them
for my $key (qw(numerical options))
{
    for my $size (1000000, 30000000)
    {
        is_invalid("$key is an array of $size", "metadata entry \"$key\" is no|its options are no", sub { $_[0]{metadata}{$key} = '[' . '0,' x $size . '0]' });
        is_invalid("$key is nested $size times", "metadata entry \"$key\" is no", sub { $_[0]{metadata}{$key} = '[' x $size });
        last if $key eq 'numerical';
    }
}
is_invalid('a number beyond all numbers', 'its options have no section', sub { $_[0]{metadata}{options} = '{"network": 1e' . '9' x 100000 . '}' });
is_invalid('names that are numbers', 'metadata entry "numerical" is not an array of names', sub { $_[0]{metadata}{numerical} = '[1e' . '9' x 100000 . ']' });
is_invalid('many metadata entries', 'it has more than 100 metadata entries', sub { $_[0]{metadata}{"more $_"} = '' for 1 .. 100 });
is_invalid('many tensors', 'it has more than 800000 tensors',
    sub { $_[0]{more} = join '', map { ",\"$_\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}" } 1 .. 900000 });
is_invalid('a tensor of many dimensions', 'tensor .* has too many numbers', sub { tensor($_[0], $counters)->{shape} = [(1) x 1000000] });
is_invalid('a tensor with a long name', 'tensor "a+" does not belong', sub { $_[0]{more} = ',"' . 'a' x 1000000 . '":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' });
is_invalid('a long ctr_version', 'metadata entry "ctr_version"', sub { $_[0]{metadata}{ctr_version} = '1' x 1000 });

# crosses
query(<<'END');
CREATE TABLE crossed AS SELECT i % 2 AS label, nullif(i % 7, 0) AS x, 'c' || i % 5 AS c, nullif('d' || i % 3, 'd0') AS d, 'e' || i % 2 AS e FROM generate_series(1, 60) i;
CREATE TABLE crossing AS SELECT ctr_train(r, ctr_fit(epochs => 2, min_count => 1, patience => 0, crosses => '[["c", "d"], ["d", "e"]]') || '{"mlp_layers": [2]}') AS model FROM crossed r;
DROP TABLE rows;
ALTER TABLE crossed RENAME TO rows;
END
my $plain = $model;
$model = read_model(pack 'H*', query(q{SELECT encode(model::bytea, 'hex') FROM crossing}));
my ($columns, $codes) = ('ctr.crosses.columns', 'ctr.crosses.codes');
# writes numbers over a tensor's, from a place on
sub put_numbers { my ($model, $name, $place, @numbers) = @_; substr(tensor($model, $name)->{data}, 4 * $place, 4 * @numbers) = pack 'l<*', @numbers }

is(attempt(sub {}), 'trained on', 'a model with crosses');
is_invalid("crosses of columns @$_", 'cross 0 is of columns', sub { put_numbers($_[0], $columns, 0, @$_) }) for [1, 0], [1, 1], [0, 3], [0, -1], [-2, -1], [0, 2**31 - 1];
is_invalid('the same cross twice', 'it has two crosses "c\\*d"', sub { put_numbers($_[0], $columns, 2, 0, 1) });
is_invalid("a pair of codes @$_", 'a category of cross "c\\*d" has codes', sub { put_numbers($_[0], $codes, 0, @$_) })
    for [0, 2], [2, 0], [1, 1], [-1, 2], [2, 5], [7, 2], [2**31 - 1, 2], [2, -2**31];
is(attempt(sub { put_numbers($_[0], $codes, 0, 1, 2) }), 'trained on', 'a pair that training did not have');
is_invalid('a pair twice', 'a cross has its category number 2 twice', sub { my $d = tensor($_[0], $codes); substr($d->{data}, 8, 8) = substr($d->{data}, 0, 8) });
is_invalid('a frequency below 0', 'a category of feature "c\\*d" occurs in -1 rows', sub { put_numbers($_[0], 'ctr.crosses.frequency', 0, -1) });
is_invalid('counts that are not those of the pairs', 'tensor "ctr.crosses.codes" is', sub { put_numbers($_[0], 'ctr.crosses.count', 0, -1) });
is_invalid('one cross fewer than the options have', 'it has 1 crosses, not 2',
    sub { my $c = tensor($_[0], $columns); $c->{shape} = [1, 2]; $c->{data} = substr $c->{data}, 0, 8 });
is_invalid('101 crosses', 'it has 101 crosses, not 100 or fewer', sub {
    my ($c, $options) = (tensor($_[0], $columns), \$_[0]{metadata}{options});
    $$options =~ s/"crosses": \[\[.*?\]\]/"crosses": "auto"/ or die $$options;
    $c->{shape} = [101, 2];
    $c->{data} = pack 'l<*', (0, 1) x 101;
});
is_invalid('crosses in three dimensions', 'tensor "ctr.crosses.columns" is', sub { tensor($_[0], $columns)->{shape} = [2, 2, 1] });
is_invalid('crosses without the option', 'tensor "ctr\.(derived|crosses)', sub { $_[0]{metadata}{options} =~ s/"crosses": \[\[.*?\]\]/"crosses": "none"/ or die });
is_invalid('no crosses with the option', 'tensor "ctr.crosses.columns" is missing', sub { $_[0]{tensors} = [grep { $_->{name} ne $columns } @{$_[0]{tensors}}] });
# a cross that is counted: what is liked comes again
query(<<'END');
DROP TABLE crossing;
CREATE TABLE crossed AS SELECT i % 3 % 2 AS label, 0 AS x, 'c' || i % 23 AS c, 'd' || i % 29 AS d FROM generate_series(1, 600) i, generate_series(0, 2 * (i % 3 % 2));
CREATE TABLE crossing AS SELECT ctr_train(r, ctr_fit(epochs => 2, patience => 0, crosses => '[["c", "d"]]') || '{"mlp_layers": [2]}') AS model FROM crossed r;
DROP TABLE rows;
ALTER TABLE crossed RENAME TO rows;
END
$model = read_model(pack 'H*', query(q{SELECT encode(model::bytea, 'hex') FROM crossing}));
is(attempt(sub {}), 'trained on', 'a model with counts');
is_invalid('a cross that is counted twice', 'cross 0 is counted 2 times', sub { substr(tensor($_[0], 'ctr.crosses.counted')->{data}, 0, 1) = "\2" });
is_invalid('a cross that is not counted, but has rare pairs', 'cross 0 knows', sub { substr(tensor($_[0], 'ctr.crosses.counted')->{data}, 0, 1) = "\0" });
is_invalid("a cross of which $_ pairs have codes", 'cross 0 knows', sub { put_numbers($_[0], 'ctr.crosses.known', 0, $_) }) for -1, 1000;
is_invalid('fewer pairs with codes than the network has', 'tensor "', sub { put_numbers($_[0], 'ctr.crosses.known', 0, 1) });
is_invalid('a pair in fewer rows than none', 'a pair of cross "c\\*d" occurs in -1 rows', sub { put_numbers($_[0], 'ctr.crosses.rows', 0, -1) });
is_invalid('counts without the option', 'tensor "', sub { $_[0]{metadata}{options} =~ s/"cross_counts": true/"cross_counts": false/ or die });
is_invalid('counts that the option does not name', 'tensor "', sub { $_[0]{metadata}{options} =~ s/,"cross_counts": true// or die });
$model = $plain;

# what is prepared: a part of each pass is refused, or can be merged with an honest one and, then, trained; what is
# merged of a pass is refused, or can be gone on with
query(<<'END');
CREATE TABLE parted AS SELECT (i * i % 7 + i % 3) % 2 AS label, nullif(i % 7, 0) AS x, 'c' || i % 5 AS c, 'd' || i % 3 AS d FROM generate_series(1, 60) i;
CREATE TABLE prepared AS SELECT 1 AS pass, ctr_prepare(r, '{"crosses": [["c", "d"]], "min_count": 1, "epochs": 1, "mlp_layers": [2]}') AS part FROM parted r;
INSERT INTO prepared SELECT 6, ctr_merge(part) FROM prepared WHERE pass = 1;
INSERT INTO prepared SELECT 2, ctr_prepare(r, NULL, (SELECT part FROM prepared WHERE pass = 6)) FROM parted r;
INSERT INTO prepared SELECT 7, ctr_merge(part) FROM prepared WHERE pass = 2;
INSERT INTO prepared SELECT 3, ctr_prepare(r, NULL, (SELECT part FROM prepared WHERE pass = 7)) FROM parted r;
INSERT INTO prepared SELECT 8, ctr_merge(part) FROM prepared WHERE pass = 3;
INSERT INTO prepared SELECT 4, ctr_prepare(r, NULL, (SELECT part FROM prepared WHERE pass = 8)) FROM parted r;
INSERT INTO prepared SELECT 5, ctr_train(r, NULL, start) FROM parted r, (SELECT ctr_merge(part) AS start FROM prepared WHERE pass = 4) s;
CREATE OR REPLACE FUNCTION attempt(path text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    given ctr_model := pg_read_binary_file(path)::ctr_model;
    merged ctr_model;
BEGIN
    SELECT ctr_merge(m) INTO merged FROM (SELECT part FROM prepared WHERE pass = substring(path FROM '.$')::int AND pass < 6 UNION ALL VALUES (given)) p (m);
    WHILE ctr_config(merged)->>'weights' = 'prepared' LOOP
        SELECT ctr_merge(part) INTO merged FROM (SELECT ctr_prepare(r, NULL, merged) AS part FROM parted r) p;
    END LOOP;
    SELECT ctr_train(r, NULL, merged) INTO merged FROM parted r;
    RETURN CASE WHEN ctr_predict(merged::bytea::ctr_model, r) BETWEEN 0 AND 1 THEN 'merged' END FROM parted r LIMIT 1;
END $$;
CREATE FUNCTION try(path text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN attempt(path);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
END
my $pass;
sub prepared
{
    my ($change) = @_;
    my $changed = dclone($model);
    $change->($changed);
    put(write_model($changed));
    rename "$dir/model", "$dir/model.$pass" or die;
    return query("SET client_min_messages = error; SELECT try('$dir/model.$pass')");
}
sub is_refused
{
    my ($name, $message, $change) = @_;
    like(prepared($change), qr/^22P03: invalid ctr_model: $message/, "pass $pass: $name");
}
sub drop_tensor { my ($model, $name) = @_; $model->{tensors} = [grep { $_->{name} ne $name } @{$model->{tensors}}] }

for my $number (1 .. 8)
{
    $pass = $number;
    $model = read_model(pack 'H*', query("SELECT encode(part::bytea, 'hex') FROM prepared WHERE pass = $pass"));
    is(prepared(sub {}), 'merged', "pass $pass: the good part, put together again");
    for my $name (map { $_->{name} } @{$model->{tensors}})
    {
        is_refused("without $name", 'tensor|it has only', sub { drop_tensor($_[0], $name) }) unless $name eq 'ctr.labels.rows' && $pass == 5;
    }
    is_refused('another stage', 'tensor', sub { $_[0]{metadata}{prepared} = $pass == 1 ? 'labels' : 'columns'; $_[0]{metadata}{weights} = 'initial'; delete $_[0]{metadata}{encoder} });
    is_refused('no stage that there is', 'metadata entry "prepared"', sub { $_[0]{metadata}{prepared} = 'model' });
    is_refused('an encoder that is not shared', 'metadata entry "encoder"', sub { $_[0]{metadata}{encoder} = 'mine' });
    is_refused("weights that are $_", 'it is prepared, but|metadata entry "weights"|it has epochs', sub { $_[0]{metadata}{weights} = $_ }) for 'loaded', 'no';
    for my $tensor (@{$model->{tensors}})
    {
        my $size = $tensor->{dtype} =~ /64/ ? 8 : $tensor->{dtype} eq 'U8' ? 1 : 4;
        # whatever stands there, it is refused, or all goes well with it
        like(prepared(sub { substr(tensor($_[0], $tensor->{name})->{data}, 0, $size) = $_ }), qr/^(22P03: invalid ctr_model|merged$|22003: |22023: the parts to merge)/,
            "pass $pass: $tensor->{name} begins with " . unpack('H*', $_)) for "\xff" x $size, "\0" x ($size - 1) . "\x80", "\xff" x ($size - 1) . "\x7f";
    }
    is_refused('a start that is no digest', 'metadata entry "start"', sub { $_[0]{metadata}{start} = 'x' x 64 }) if $pass == 5;
}
$pass = 2;
$model = read_model(pack 'H*', query("SELECT encode(part::bytea, 'hex') FROM prepared WHERE pass = 2"));
is_refused("a sampled row with $_->[0]", 'row \\d+ of its sample is none', sub { substr(tensor($_[0], "ctr.sample.$_->[0]")->{data}, 0, length $_->[1]) = $_->[1] })
    for ['codes', pack 'l<', -1], ['codes', pack 'l<', 100], ['label', pack 'f<', 0.5], ['weight', pack 'f<', 0], ['fold', chr 5], ['hash', "\xff" x 8];
$pass = 1;
$model = read_model(pack 'H*', query("SELECT encode(part::bytea, 'hex') FROM prepared WHERE pass = 1"));
is_refused("points of $_", 'the points of feature "x" are unusable', sub { substr(tensor($_[0], 'ctr.points.value')->{data}, 8, 8) = pack 'd<', $_ }) for 1, 1e300, 'nan';
is_refused("points of $_ rows", 'the points of feature "x" are unusable', sub { substr(tensor($_[0], 'ctr.points.rows')->{data}, 8, 8) = pack 'q<', $_ }) for 0, -1, 2**62, 1;
# as many rows as a part may claim, which two parts together may not
my $many = prepared(sub { my $rows = tensor($_[0], 'ctr.points.rows'); my @rows = unpack 'q<*', $rows->{data}; my $all = 0; $all += $_ for @rows;
    $rows[0] += 2**52 + 1; $rows->{data} = pack 'q<*', @rows; my $moments = tensor($_[0], 'ctr.points.moments'); substr($moments->{data}, 0, 8) = pack 'd<', $all + 2**52 + 1 });
is($many, 'merged', 'a part of very many rows');
query_fails("SELECT ctr_merge(pg_read_binary_file('$dir/model.1')::ctr_model) FROM generate_series(1, 2)", '22003', 'the parts to merge have more than 9007199254740992 rows together',
    'parts of too many rows together');
is_refused('too many points', 'feature "x" has', sub { substr(tensor($_[0], 'ctr.points.count')->{data}, 0, 4) = pack 'l<', 12003 });
is_refused("rows of a label that weigh $_", 'rows of one label weigh', sub { substr(tensor($_[0], 'ctr.prepared.class_weights')->{data}, 0, 8) = pack 'd<', $_ }) for -1, 'inf', 'nan';
is_refused('epochs', 'it is prepared|it has epochs', sub { $_[0]{metadata}{weights} = 'initial'; set_epochs($_[0], 1) });
$pass = 5;
$model = read_model(pack 'H*', query("SELECT encode(part::bytea, 'hex') FROM prepared WHERE pass = 5"));
is_refused('codes in fewer rows than none', 'a code of its part occurs in -5 rows', sub { substr(tensor($_[0], 'ctr.part.rows')->{data}, 0, 4) = pack 'l<', -5 });

# a step from a model whose network is another, although the merged one names its digest
query(<<'END');
CREATE TABLE wide AS SELECT ctr_prepare(r, '{"crosses": "none", "min_count": 1, "epochs": 1, "mlp_layers": [512]}') AS part FROM parted r;
UPDATE wide SET part = (SELECT ctr_prepare(r, NULL, common) FROM parted r, (SELECT ctr_merge(part) AS common FROM wide) c);
UPDATE wide SET part = (SELECT ctr_train(r, NULL, start) FROM parted r, (SELECT ctr_merge(part) AS start FROM wide) s);
END
my $forged = read_model(pack 'H*', query("SELECT encode(part::bytea, 'hex') FROM wide"));
$forged->{metadata}{start} = $model->{metadata}{digest};
put(write_model($forged));
query_fails("SELECT ctr_step(part, pg_read_binary_file('$dir/model')::ctr_model, NULL, 0.5) FROM prepared WHERE pass = 5", '22023',
    'the merged model and the previous one are different networks', 'a step between networks');
$model = $plain;

# names that another database cannot spell
my $other = "${CtrTest::database}_latin1";
query("DROP DATABASE IF EXISTS $other", database => 'postgres');
query("CREATE DATABASE $other ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", database => 'postgres');
query('CREATE EXTENSION ctr', database => $other);
put(write_model(do { my $changed = dclone($model); $changed->{metadata}{numerical} = qq(["\xd0\xb6"]); $changed }));
query_fails("SELECT pg_read_binary_file('$dir/model')::ctr_model", '22P05', 'ctr_model has names that encoding "LATIN1" cannot spell',
    'a name that the database cannot spell', database => $other);
query("DROP DATABASE $other", database => 'postgres');

done_testing();
