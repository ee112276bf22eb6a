# ctr_auc, ctr_logloss and ctr_calibration are scikit-learn's roc_auc_score, log_loss and calibration_curve(strategy='quantile'), which
# the Python of PYTHON computes here of the same labels and scores: with ties, with weights, from few rows and many.
use strict;
use warnings;
use CtrTest;
use JSON::PP;
use Test::More;

my $python = $ENV{PYTHON} // 'python3';
plan skip_all => 'left out: PYTHON has no scikit-learn to compare with' if system("$python -c 'import sklearn' 2>/dev/null") != 0;

my $script = scratch('theirs.py');
open my $out, '>', $script or die;
print $out <<'END';
import json, sys
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss, roc_auc_score
y, s, w = (list(map(float, line.split())) for line in sys.stdin)
label, score = calibration_curve(y, s, n_bins=7, strategy="quantile")
print(json.dumps({"auc": roc_auc_score(y, s), "weighted": roc_auc_score(y, s, sample_weight=w), "loss": log_loss(y, s),
                  "weighted_loss": log_loss(y, s, sample_weight=w), "label": list(label), "score": list(score)}))
END
close $out;

# the largest difference of two lists; a large number: one is longer
sub difference
{
    my ($ours, $theirs) = @_;
    return 1e9 if @$ours != @$theirs;
    my ($largest) = sort { $b <=> $a } map { abs($ours->[$_] - $theirs->[$_]) } 0 .. $#$ours;
    return $largest;
}

# rows, and how many different scores they have
for my $case ([20, 1000], [500, 10], [5000, 100000], [3000, 2]) {
    my ($rows, $scores) = @$case;
    query("DROP TABLE IF EXISTS scored; CREATE TABLE scored AS
           SELECT i, (hashint4(i) & 1023) / 1024.0 < s AS y, s, 1 + (hashint4(i * 5) & 7) / 2.0 AS w
           FROM (SELECT i, (((hashint4(i * 3) & 1048575) % $scores + 0.5) / $scores)::float8 AS s FROM generate_series(1, $rows) i) t");
    my $data = query("SELECT string_agg(y::int::text, ' ' ORDER BY i) || E'\\n' || string_agg(s::text, ' ' ORDER BY i) || E'\\n'
                      || string_agg(w::text, ' ' ORDER BY i) FROM scored");
    open my $file, '>', scratch('data') or die;
    print $file "$data\n";
    close $file;
    my $theirs = decode_json(`$python $script < @{[scratch('data')]}`);
    my $ours = decode_json(query("SELECT jsonb_build_object('auc', ctr_auc(y, s), 'weighted', ctr_auc(y, s, w), 'loss', ctr_logloss(y, s),
        'weighted_loss', ctr_logloss(y, s, w), 'bins', to_jsonb(ctr_calibration(y, s, 7))) FROM scored"));
    cmp_ok(abs($ours->{$_} - $theirs->{$_}), '<', 1e-9, "$rows rows, $scores scores: $_") foreach qw(auc weighted loss weighted_loss);
    foreach my $column (qw(score label)) {
        cmp_ok(difference([map { $_->{$column} } @{ $ours->{bins} }], $theirs->{$column}), '<', 1e-9, "$rows rows, $scores scores: bins by $column");
    }
}

done_testing();
