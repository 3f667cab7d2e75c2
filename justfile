# The whole deployment from one place: https://just.systems runs these. A stage is one stack on AWS in a region and one project
# on Google; as many as one likes stand side by side. Needs just, terraform, docker, gcloud, aws, sam and cargo-lambda, each
# signed in as whoever shall pay.
#
# Parameters with a `$` are variables of the script, so that no argument is ever read as a command. What is not quoted there is
# several words on purpose.

set positional-arguments

google := "terraform -chdir=infra/gcp"
just := quote(just_executable())

_list:
    @{{ just }} --list --unsorted

# Everything: the plan and the idle price, then Google's side, AWS's, and one picture through both.
deploy $STAGE $REGION: (plan STAGE REGION) (google STAGE REGION) (aws STAGE REGION) (smoke STAGE REGION)

# What a deployment would change, and what a stage costs while nobody asks. Changes nothing.
plan $STAGE $REGION: (_stage STAGE REGION) price
    #!/usr/bin/env bash
    set -euo pipefail
    values=$({{ just }} _values "$STAGE" "$REGION")
    {{ google }} plan -input=false $values
    if aws cloudformation describe-stacks --stack-name "crosslens-$STAGE" --region "$REGION" >/dev/null 2>&1; then
        {{ just }} build
        {{ just }} _sam "$STAGE" "$REGION" --no-execute-changeset
    else
        echo "AWS has no stack crosslens-$STAGE in $REGION: all of infra/aws/template.yaml will be made."
    fi

# The idle price of a stage, in USD a month. Lambda's part was read off its price page; what has a star is a list price from
# memory, to be checked for the region before anybody relies on it.
price:
    @echo "Idle, a month, where no free tier is left (with it: about 0.50 USD); * is a list price to check:"
    @echo "  1.30  13 alarms at 0.10 *"
    @echo "  0.52  1.3 million empty receives of the two queues at 0.40 a million *"
    @echo "  0.30  one metric of our own, the outbox's age *"
    @echo "  0.07  43,200 sweeps: calls and milliseconds 0.02, reads * 0.02, log lines * 0.03"
    @echo "  0.00  functions, table, topics, bucket, Cloud Run (min_instances = 0), by use alone"
    @echo "  0.10  for each GB of images in Artifact Registry over 0.5 *"
    @echo "About 2.20 USD. In use, Vision's 1.50 a thousand labels are nearly all of the bill."

# Google's side: the registry, the image, then the service and who may call it.
google $STAGE $REGION: (_stage STAGE REGION)
    #!/usr/bin/env bash
    set -euo pipefail
    values=$({{ just }} _values "$STAGE" "$REGION")
    {{ google }} apply -input=false -auto-approve -target=google_artifact_registry_repository.images $values
    image=$({{ just }} _image "$STAGE")
    {{ google }} apply -input=false -auto-approve $values -var "image=$image" \
        ${TRAFFIC:+-var "traffic=$TRAFFIC"}

# Which revision of the detector answers how many of a hundred requests, as infra/README.md writes it.
traffic $STAGE $REGION $TRAFFIC: (_stage STAGE REGION)
    #!/usr/bin/env bash
    set -euo pipefail
    values=$({{ just }} _values "$STAGE" "$REGION")
    {{ google }} apply -input=false -auto-approve $values -var "traffic=$TRAFFIC"

# The revision of the detector that answers most requests now; nothing where there is none yet.
revision $STAGE $REGION: (_stage STAGE REGION)
    #!/usr/bin/env bash
    set -euo pipefail
    {{ google }} output -raw image >/dev/null 2>&1 || exit 0
    where=$({{ just }} _where)
    gcloud run services describe crosslens-detector $where --format json |
        python3 -c 'import json, sys; print(max(json.load(sys.stdin)["status"]["traffic"], key=lambda part: part.get("percent", 0))["revisionName"])'

# AWS's side, with the detector that Google's side has made.
aws $STAGE $REGION: (_stage STAGE REGION) build
    {{ just }} _sam "$STAGE" "$REGION"

# One picture through the whole stage: the built-in sample, asked over HTTP, answered by the detector.
smoke $STAGE $REGION:
    #!/usr/bin/env bash
    set -euo pipefail
    url=$({{ just }} _output "$STAGE" "$REGION" Url)
    said=$({{ just }} _signed "$REGION" "${url%/}/detect" -H "accept: text/plain" --fail-with-body)
    echo "$said"
    [[ $said == "Image Results: "?* ]] || { echo "the stage does not label" >&2; exit 1; }

# One function alone: http, uploads, backfill, sweep, moderation, translation, write-back or notify on AWS, where there is an account
# at Twilio messages, faces, label-messages or dispatch, detector on Google.
deploy-function $STAGE $REGION $NAME: (_stage STAGE REGION)
    #!/usr/bin/env bash
    set -euo pipefail
    if [[ $NAME == detector ]]; then
        where=$({{ just }} _where)
        image=$({{ just }} _image "$STAGE")
        exec gcloud run services update crosslens-detector --image "$image" $where
    fi
    {{ just }} build
    function=$({{ just }} _function "$STAGE" "$NAME")
    version=$(aws lambda update-function-code --function-name "$function" --region "$REGION" --publish \
        --zip-file fileb://infra/aws/.build/proxy-aws/bootstrap.zip --query Version --output text)
    aws lambda wait function-updated-v2 --function-name "$function" --region "$REGION"
    aws lambda update-alias --function-name "$function" --region "$REGION" --name live --function-version "$version"

# Calls one function: with an event in a file on AWS, with a picture in a file on Google.
invoke $STAGE $REGION $NAME $FILE: (_stage STAGE REGION)
    #!/usr/bin/env bash
    set -euo pipefail
    if [[ $NAME == detector ]]; then
        url=$({{ google }} output -raw url)
        account=$({{ google }} output -raw proxy_service_account)
        token=$(gcloud auth print-identity-token --include-email --audiences "$url" \
            --impersonate-service-account "$account")
        # By stdin: arguments can be read by everybody on the machine.
        printf 'header = "Authorization: Bearer %s"\nheader = "X-Serverless-Authorization: Bearer %s"\n' "$token" "$token" |
            curl --config - --silent --show-error --fail-with-body --data-binary "@$FILE" "$url/v1/detect?features=labels"
        exit
    fi
    function=$({{ just }} _function "$STAGE" "$NAME")
    answer=$(mktemp)
    trap 'rm -f "$answer"' EXIT
    aws lambda invoke --function-name "$function:live" --region "$REGION" \
        --payload "fileb://$FILE" "$answer"
    cat "$answer"

# The last hour's log of one function; with -f what it writes from now on as well.
logs $STAGE $REGION $NAME $FOLLOW="": (_stage STAGE REGION)
    #!/usr/bin/env bash
    set -euo pipefail
    [[ -z $FOLLOW || $FOLLOW == -f ]] || { echo "-f or nothing, not $FOLLOW" >&2; exit 2; }
    if [[ $NAME == detector ]]; then
        where=$({{ just }} _where)
        if [[ -n $FOLLOW ]]; then
            exec gcloud beta run services logs tail crosslens-detector $where
        fi
        exec gcloud run services logs read crosslens-detector --freshness 1h $where
    fi
    function=$({{ just }} _function "$STAGE" "$NAME")
    exec aws logs tail "/aws/lambda/$function" --region "$REGION" --since 1h ${FOLLOW:+--follow}

# Back to the version before, in seconds and without building: one function, the detector, or all that every stage has; those for
# messages one by one.
rollback $STAGE $REGION $NAME="all": (_stage STAGE REGION)
    #!/usr/bin/env bash
    set -euo pipefail
    if [[ $NAME == all ]]; then
        for one in http uploads backfill sweep moderation translation write-back notify detector; do
            {{ just }} rollback "$STAGE" "$REGION" "$one"
        done
        exit
    fi
    if [[ $NAME == detector ]]; then
        where=$({{ just }} _where)
        # What answers now, not what was made last: after a rollback these are two.
        now=$({{ just }} revision "$STAGE" "$REGION")
        all=$(gcloud run revisions list --service crosslens-detector $where \
            --sort-by ~metadata.creationTimestamp --format 'value(metadata.name)')
        before=$(awk -v now="$now" 'seen { print; exit } $1 == now { seen = 1 }' <<<"$all")
        [[ -n $before ]] || { echo "the detector has no revision before $now" >&2; exit 1; }
        exec gcloud run services update-traffic crosslens-detector --to-revisions "$before=100" $where
    fi
    function=$({{ just }} _function "$STAGE" "$NAME")
    now=$(aws lambda get-alias --function-name "$function" --region "$REGION" --name live \
        --query FunctionVersion --output text)
    all=$(aws lambda list-versions-by-function --function-name "$function" --region "$REGION" \
        --query 'Versions[].Version' --output text)
    before=$(tr '\t' '\n' <<<"$all" | awk -v now="$now" '/^[0-9]+$/ && $1 + 0 < now + 0' | sort -n | tail -1)
    [[ -n $before ]] || { echo "$function has no version before $now" >&2; exit 1; }
    aws lambda update-alias --function-name "$function" --region "$REGION" --name live --function-version "$before" \
        --routing-config 'AdditionalVersionWeights={}'

# Ends a stage on both clouds. The bucket and the table stay, with everything in them, until somebody deletes them by hand.
[confirm("This ends the stage on both clouds; what is in its bucket and table stays. Go on? (y/N)")]
destroy $STAGE $REGION: (_stage STAGE REGION)
    #!/usr/bin/env bash
    set -euo pipefail
    values=$({{ just }} _values "$STAGE" "$REGION")
    # AWS first: without a detector its functions would only fail.
    sam delete --stack-name "crosslens-$STAGE" --region "$REGION" --no-prompts
    {{ google }} destroy -input=false -auto-approve $values

# The functions' program, for the processors that cost a fifth less; libjpeg-turbo in it is built by cmake.
build:
    cargo lambda build --profile lambda --arm64 --package proxy-aws --bin proxy-aws --features turbojpeg --output-format zip --lambda-dir infra/aws/.build

# The README's command.
test:
    cargo test --release --workspace

# Refuses names that the template would refuse much later, and makes Google's workspace of the stage the chosen one.
_stage $STAGE $REGION:
    #!/usr/bin/env bash
    set -euo pipefail
    [[ $STAGE =~ ^[a-z][a-z0-9-]{0,11}$ ]] || { echo "a stage is 1 to 12 of a-z, 0-9 and -, a letter first: not $STAGE" >&2; exit 2; }
    [[ $REGION =~ ^[a-z]{2}(-[a-z]+)+-[0-9]$ ]] || { echo "a region is such as eu-central-1: not $REGION" >&2; exit 2; }
    {{ google }} init -input=false >/dev/null
    {{ google }} workspace select -or-create "$STAGE" >/dev/null

# Terraform's values of a stage: STAGE.tfvars where it is, else the environment's TF_VAR_….
_values $STAGE $REGION:
    #!/usr/bin/env bash
    set -euo pipefail
    echo "-var=stage=$STAGE" "-var=aws_region=$REGION"
    # What runs goes on running: without an image the service would be taken away.
    if image=$({{ google }} output -raw image 2>/dev/null); then
        echo "-var=image=$image"
    fi
    if [[ -f infra/gcp/$STAGE.tfvars ]]; then
        echo "-var-file=$STAGE.tfvars"
    fi

# Builds and pushes the detector, and says its address by digest.
_image $STAGE:
    #!/usr/bin/env bash
    set -euo pipefail
    repository=$({{ google }} output -raw repository)
    image="$repository/detector-gcp:$STAGE"
    gcloud auth configure-docker "${repository%%/*}" --quiet >&2
    docker build --platform linux/amd64 --file detector-gcp/Dockerfile --tag "$image" . >&2
    docker push "$image" >&2
    gcloud artifacts docker images describe "$image" --format 'value(image_summary.fully_qualified_digest)'

# AWS's deployment with the detector of the chosen workspace.
_sam $STAGE $REGION *FLAGS:
    #!/usr/bin/env bash
    set -euo pipefail
    url=$({{ google }} output -raw url)
    credentials=$({{ google }} output -raw credential_configuration)
    # sam reads a value in double quotes up to the next one that no backslash stands before.
    exec sam deploy --template-file infra/aws/template.yaml --stack-name "crosslens-$STAGE" --region "$REGION" \
        --resolve-s3 --s3-prefix "crosslens-$STAGE" --capabilities CAPABILITY_NAMED_IAM \
        --no-confirm-changeset --no-fail-on-empty-changeset "${@:3}" --parameter-overrides \
        "Stage=$STAGE" "Canary=${CANARY:-on}" "Detectors=$url" \
        "GoogleCredentials=\"${credentials//\"/\\\"}\""

# One output of the stack.
_output $STAGE $REGION $NAME:
    @aws cloudformation describe-stacks --stack-name "crosslens-$STAGE" --region "$REGION" --output text --query "Stacks[0].Outputs[?OutputKey=='$NAME'].OutputValue"

# The name of a function of ours; another word is refused.
_function $STAGE $NAME:
    #!/usr/bin/env bash
    set -euo pipefail
    case $NAME in
        http | uploads | backfill | sweep | moderation | translation | write-back | notify | messages | faces | label-messages | dispatch)
            echo "crosslens-$STAGE-$NAME" ;;
        *)
            echo "http, uploads, backfill, sweep, moderation, translation, write-back, notify, messages, faces, label-messages, dispatch or detector, not $NAME" >&2
            exit 2 ;;
    esac

# Where the detector of the chosen workspace runs.
_where:
    #!/usr/bin/env bash
    set -euo pipefail
    project=$({{ google }} output -raw project)
    region=$({{ google }} output -raw region)
    echo "--project=$project --region=$region"

# curl, signed as whoever is signed in at AWS. Keys go by stdin: arguments can be read by everybody on the machine.
_signed $REGION $URL *FLAGS:
    #!/usr/bin/env bash
    set -euo pipefail
    eval "$(aws configure export-credentials --format env)"
    {
        printf 'user = "%s:%s"\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY"
        [[ -z ${AWS_SESSION_TOKEN:-} ]] || printf 'header = "x-amz-security-token: %s"\n' "$AWS_SESSION_TOKEN"
    } | curl --config - --silent --show-error --aws-sigv4 "aws:amz:$REGION:lambda" "${@:3}" "$URL"
