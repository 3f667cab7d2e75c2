# Notes the time in microseconds, then becomes the program; its talk with Lambda's runtime API goes where it is told.
echo "$EPOCHREALTIME" >"$BENCH_STARTED"
export AWS_LAMBDA_RUNTIME_API=$BENCH_RUNTIME_API
exec "$@"
