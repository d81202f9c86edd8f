#!/usr/bin/env bash
# Creates, updates and deletes the stack of pipelines.yaml, and pushes the training image to its repository.
#
#   stack.sh create Bucket=<name> [Target=<name>] [MoreTargets=<name>,...] [CreateBucket=false] [InputPrefix=<prefix>]
#                   [ArtifactPrefix=<prefix>] [CreateRepository=false] [Repositories=<arn>,...] [NumClass=<n>]
#                   [ExecutionRole=<arn>] [TagKeys=<key>,...] [ArtifactDays=<n>]
#   stack.sh update [Parameter=<value> ...]     parameters that are not given keep their values; Bucket and Target stay,
#                                               and whether the stack has created the bucket and the repository
#   stack.sh delete                             asks first; the bucket, its data and the execution role stay
#   stack.sh push-image                         builds include/training_image with docker and pushes it
#
# Region and credentials are the AWS CLI's own (AWS_REGION, AWS_PROFILE, a role). STACK names the stack, default
# fresh-endpoints. Every command that changes something is printed before it runs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
image=$here/../training_image
stack=${STACK:-fresh-endpoints}
# Version 1 of the AWS CLI does not read AWS_REGION.
if [[ -n ${AWS_REGION:-} ]]; then export AWS_DEFAULT_REGION=$AWS_REGION; fi

fail() {
  echo "stack.sh: $*" >&2
  exit 1
}

run() {
  printf '+'
  printf ' %q' "$@"
  printf '\n'
  "$@"
}

exists() {
  local answer
  answer=$(aws cloudformation describe-stacks --stack-name "$stack" 2>&1 >/dev/null) && return
  [[ $answer == *"does not exist"* ]] || fail "cannot ask for the stack $stack:" $answer
  return 1
}

# Prints nothing where there is none: of what the stack does not hold, or when its creation has failed.
output() {
  local value
  value=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue")
  [[ -z $value || $value == None ]] || printf '%s\n' "$value"
}

# What a parameter of the stack is.
has() {
  aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Parameters[?ParameterKey=='$1'].ParameterValue"
}

template() {
  aws cloudformation get-template --stack-name "$stack" --output text --query TemplateBody
}

# Prints the role that the stack has created; nothing where it was given one.
created_role() {
  [[ -n $(has ExecutionRole) ]] || output ExecutionRoleArn
}

# The policies in the role that the stack creates.
container_policies() {
  local n
  echo containers
  for n in 2 3 4; do [[ -z $(has "Target$n") ]] || echo "containers-$n"; done
}

tell_role_stays() {
  local role=${1##*/} policy
  shift
  printf '\nThe role %s stays: what was trained under it is served under it. When no model has it as its ExecutionRoleArn:\n' "$role"
  for policy in "$@"; do printf '  aws iam delete-role-policy --policy-name %s --role-name %s\n' "$policy" "$role"; done
  printf '  aws iam delete-role --role-name %s\n' "$role"
}

check_parameters() {
  for parameter in "$@"; do
    [[ $parameter == [A-Z]*=* ]] || fail "found '$parameter'; parameters are written as Name=value."
  done
}

# The template has a parameter for each further target; people write one list.
with_targets() {
  local parameter names name n
  parameters=()
  for parameter in "$@"; do
    if [[ $parameter != MoreTargets=* ]]; then
      parameters+=("$parameter")
      continue
    fi
    IFS=, read -r -a names <<<"${parameter#*=}"
    ((${#names[@]} <= 3)) || fail "found $parameter; a stack has room for three. Create another one with STACK=<name>," \
      "CreateBucket=false and the same Bucket."
    for n in 2 3 4; do
      name=${names[n - 2]:-}
      parameters+=("Target$n=${name// /}")
    done
  done
}

# The policies of the workers that the stack has: of Target, and of each further target.
worker_policies() {
  local n
  for n in "" 2 3 4; do output "WorkerPolicy${n}Arn"; done
}

attached_to() {
  aws iam list-entities-for-policy --policy-arn "$1" --output text \
    --query "[PolicyRoles[].RoleName, PolicyUsers[].UserName, PolicyGroups[].GroupName][]"
}

# IAM deletes no policy that is attached, and the stack would stay as it is, or half deleted:
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html
require_detached() {
  local policy=$1 users
  users=$(attached_to "$policy")
  [[ -z $users ]] || fail "the worker policy is attached to" $users"; detach it first, such as by" \
    "aws iam detach-role-policy --policy-arn $policy --role-name <role>. $2"
}

tell_policies() {
  printf '\nAttach each of these to the role of the Airflow workers, the triggerer and the dag-processor:\n'
  worker_policies
}

create() {
  check_parameters "$@"
  with_targets "$@"
  set -- ${parameters[@]+"${parameters[@]}"}
  ! exists || fail "the stack $stack exists; use update, or set STACK to another name."
  local parameter value given=()
  for parameter in "$@"; do
    value=${parameter#*=}
    # A comma would end the value: https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-shorthand.html
    given+=("ParameterKey=${parameter%%=*},ParameterValue=${value//,/\\,}")
  done
  run aws cloudformation create-stack --stack-name "$stack" --template-body "file://$here/pipelines.yaml" \
    --capabilities CAPABILITY_IAM ${1:+--parameters "${given[@]}"}
  run aws cloudformation wait stack-create-complete --stack-name "$stack"
  printf '\nLines for .env:\n'
  output DotEnv
  tell_policies
}

# Bucket and Target are in the names of what the stack holds, so CloudFormation would make that anew and delete the repository, with the
# images that live models run on: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecr-repository.html
keep_names() {
  local parameter name kept
  for parameter in "$@"; do
    name=${parameter%%=*}
    case $name in
      Bucket | Target) kept=$(has "$name") ;;
      # An older template has created both.
      CreateBucket | CreateRepository) kept=$(has "$name") kept=${kept:-true} ;;
      *) continue ;;
    esac
    [[ ${parameter#*=} == "$kept" ]] ||
      fail "found $parameter; $name of the stack $stack is $kept and cannot change. Create another stack with STACK=<name>."
  done
}

# A target that leaves the list takes its policy along.
keep_attached() {
  local parameter policy
  for parameter in "$@"; do
    [[ $parameter == Target[234]= ]] || continue
    policy=$(output "WorkerPolicy${parameter:6:1}Arn")
    [[ -z $policy ]] || require_detached "$policy" "Nothing was changed."
  done
}

update() {
  check_parameters "$@"
  exists || fail "there is no stack $stack; use create, or set STACK to its name."
  with_targets "$@"
  set -- ${parameters[@]+"${parameters[@]}"}
  keep_names "$@"
  keep_attached "$@"
  local parameter role="" created="" inline rest=()
  inline=$(container_policies)
  for parameter in "$@"; do
    if [[ $parameter == ExecutionRole=* ]]; then role=${parameter#*=}; else rest+=("$parameter"); fi
  done
  if [[ -n $role ]]; then created=$(created_role); fi
  # A role that leaves the stack goes by the DeletionPolicy that the stack has, and an older template's has none.
  if [[ -n $created && $(template) != "$(<"$here/pipelines.yaml")" ]]; then
    deploy ${rest[@]+"${rest[@]}"}
  fi
  deploy "$@"
  if [[ -n $created && $created != "$role" ]]; then
    echo "Workers pass $role only: a run that has trained and not deployed yet fails, and the next one is well."
    tell_role_stays "$created" $inline
  fi
  if [[ "$*" == *Target[234]=?* ]]; then tell_policies; fi
}

# Unlike update-stack, deploy keeps the values that are not given, and a stack that is up to date is no error.
deploy() {
  run aws cloudformation deploy --stack-name "$stack" --template-file "$here/pipelines.yaml" \
    --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset ${1:+--parameter-overrides "$@"}
}

push_image() {
  exists || fail "there is no stack $stack; create it first."
  local repository tag
  repository=$(output RepositoryUri)
  [[ -n $repository ]] || fail "the stack $stack has no repository of its own (CreateRepository=false); push with docker."
  # The tag is the content: what has been pushed is not pushed again, and the repository never moves a tag.
  tag=$(cd "$image" && cat .dockerignore Dockerfile requirements.lock train serve ./*.py | git hash-object --stdin)
  tag=${tag:0:12}
  if aws ecr describe-images --repository-name "${repository#*/}" --image-ids "imageTag=$tag" >/dev/null 2>&1; then
    echo "$repository:$tag is already there."
  else
    # SageMaker runs amd64 and refuses OCI manifests, which buildx writes by default ("Unsupported manifest media type"):
    # https://github.com/aws/amazon-sagemaker-feedback/issues/180
    run docker buildx build --platform linux/amd64 --provenance=false --output type=docker --tag "$repository:$tag" "$image"
    echo "+ aws ecr get-login-password | docker login --username AWS --password-stdin ${repository%%/*}"
    aws ecr get-login-password | docker login --username AWS --password-stdin "${repository%%/*}"
    run docker push "$repository:$tag"
  fi
  printf '\nLine for .env:\nAIRFLOW_VAR_SAGEMAKER_IMAGE=%s\n' "$repository:$tag"
}

delete() {
  exists || fail "there is no stack $stack."
  local policy bucket role repository inline
  inline=$(container_policies)
  bucket=$(output BucketName)
  role=$(created_role)
  repository=$(output RepositoryUri)
  for policy in $(worker_policies); do require_detached "$policy" "Nothing was deleted."; done
  echo "This deletes the stack $stack: the worker policy${repository:+, and the repository with all its images}."
  [[ -z $bucket ]] || echo "The bucket $bucket and its data stay."
  [[ -z $role ]] || echo "The execution role ${role##*/} stays, too."
  echo "Running endpoints stay and go on costing: delete them first."
  read -r -p "Type the stack's name to go on: " answer || true
  [[ ${answer:-} == "$stack" ]] || fail "nothing was deleted."
  run aws cloudformation delete-stack --stack-name "$stack"
  run aws cloudformation wait stack-delete-complete --stack-name "$stack"
  [[ -z $role ]] || tell_role_stays "$role" $inline
}

command=${1:-}
shift || true
case $command in
  create) create "$@" ;;
  update) update "$@" ;;
  delete) delete ;;
  push-image) push_image ;;
  *) fail "found '$command'; allowed: create, update, delete, push-image. See the comment at the top of this file." ;;
esac
