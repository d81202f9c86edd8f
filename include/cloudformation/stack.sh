#!/usr/bin/env bash
# Creates, updates and deletes the stack of pipelines.yaml, and pushes the training image to its repository.
#
#   stack.sh create Bucket=<name> [Target=<name>] [NumClass=<n>] [ExecutionRole=<arn>] [TagKeys=<key>,...] [ArtifactDays=<n>]
#   stack.sh update [Parameter=<value> ...]     parameters that are not given keep their values; Bucket and Target stay
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

# Prints nothing for a stack whose creation has failed, which has no outputs.
output() {
  local value
  value=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue")
  [[ $value == None ]] || printf '%s\n' "$value"
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

tell_role_stays() {
  printf '\nThe role %s stays: what was trained under it is served under it. When no model has it as its ExecutionRoleArn:\n' "${1##*/}"
  printf '  aws iam delete-role-policy --policy-name containers --role-name %s\n' "${1##*/}"
  printf '  aws iam delete-role --role-name %s\n' "${1##*/}"
}

check_parameters() {
  for parameter in "$@"; do
    [[ $parameter == [A-Z]*=* ]] || fail "found '$parameter'; parameters are written as Name=value."
  done
}

create() {
  check_parameters "$@"
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
  printf '\nAttach this policy to the role of the Airflow workers, the triggerer and the dag-processor:\n'
  output WorkerPolicyArn
}

# Both are in the names of what the stack holds, so CloudFormation would make that anew and delete the repository, with the
# images that live models run on: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecr-repository.html
keep_names() {
  local parameter name kept
  for parameter in "$@"; do
    name=${parameter%%=*}
    [[ $name == Bucket || $name == Target ]] || continue
    kept=$(has "$name")
    [[ ${parameter#*=} == "$kept" ]] ||
      fail "found $parameter; $name of the stack $stack is $kept and cannot change. Create another stack with STACK=<name>."
  done
}

update() {
  check_parameters "$@"
  exists || fail "there is no stack $stack; use create, or set STACK to its name."
  keep_names "$@"
  local parameter role="" created="" rest=()
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
    tell_role_stays "$created"
  fi
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
  local policy bucket role users=""
  policy=$(output WorkerPolicyArn)
  bucket=$(output BucketName)
  role=$(created_role)
  # IAM deletes no policy that is attached, and the stack would stay half deleted:
  # https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html
  if [[ -n $policy ]]; then
    users=$(aws iam list-entities-for-policy --policy-arn "$policy" --output text \
      --query "[PolicyRoles[].RoleName, PolicyUsers[].UserName, PolicyGroups[].GroupName][]")
  fi
  [[ -z $users ]] || fail "the worker policy is attached to" $users"; detach it first, such as by" \
    "aws iam detach-role-policy --policy-arn $policy --role-name <role>. Nothing was deleted."
  echo "This deletes the stack $stack: the worker policy, and the repository with all its images."
  [[ -z $bucket ]] || echo "The bucket $bucket and its data stay."
  [[ -z $role ]] || echo "The execution role ${role##*/} stays, too."
  echo "Running endpoints stay and go on costing: delete them first."
  read -r -p "Type the stack's name to go on: " answer || true
  [[ ${answer:-} == "$stack" ]] || fail "nothing was deleted."
  run aws cloudformation delete-stack --stack-name "$stack"
  run aws cloudformation wait stack-delete-complete --stack-name "$stack"
  [[ -z $role ]] || tell_role_stays "$role"
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
