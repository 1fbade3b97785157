<#
.SYNOPSIS
    Runs the examples of documents, in their order and in one session, as a reader would who types them.
.DESCRIPTION
    Each example is a script of its own that is run in this session's scope: what one sets, the next has, and `exit` ends the example alone.
    Each document has a user of its own, with a project, a history, policies and variables that no other document has changed.
#>
param(
    # One for each document. Has 0.ps1, 1.ps1 and so on, 1.before.ps1 where that one takes something for granted, and the variables of the
    # environment; gets report.jsonl, a line for each example that has ended.
    [Parameter(Mandatory)] [string[]] $ExampleFolder,
    # Runs none, and ends the farms that a session has left which was ended itself.
    [switch] $OnlyEnd
)
Import-Module /opt/NixBuildFarm
# Where several farms share two cores, a builder that is well may take longer than a user waits for it.
$PSDefaultParameterValues['Test-NixBuilder:TimeoutSec'] = 60

# Begins a run in the farm default that goes on: until somebody ends it, or until this session has shown to a watcher that it does.
function Start-HeldBuild([string] $Name, [switch] $UntilWatched, [string] $Sign = "held-$Name") {
    $world = [IO.Path]::GetFullPath("$exampleUser/../..")
    $gate = "$world/open-$Name"
    $begun = Invoke-NixDistributedBuild -Path held.nix -Argument @{ name = $Name; gate = $gate } -Detach
    $events = "$env:XDG_STATE_HOME/nixbuildfarm/running/$($begun.RunId).jsonl"
    while (-not (Test-Path $events)) { Start-Sleep -Milliseconds 100 }
    if ($UntilWatched) {
        # Whatever it says of the build: how far that had come when it began to watch depends on the machine.
        $wait = 'until grep -qF "$1" "$2/output" || ! kill -0 "$4"; do sleep 0.2; done; touch "$3"'
        $null = [Diagnostics.Process]::Start('/bin/sh', [string[]] @('-c', $wait, 'sh', $Sign, $world, $gate, $PID))
    }
    $begun
}

foreach ($exampleUser in $ExampleFolder) {
    $exampleVariables = Get-Content "$exampleUser/variables.json" -Raw | ConvertFrom-Json -AsHashtable
    foreach ($exampleName in $exampleVariables.Keys) { Set-Item "Env:$exampleName" $exampleVariables[$exampleName] }
    Set-Location "$exampleUser/../project"
    Reset-NixBuilderPolicy -All -Scope Session
    for ($exampleIndex = 0; -not $OnlyEnd -and (Test-Path "$exampleUser/$exampleIndex.ps1"); $exampleIndex++) {
        $ErrorActionPreference = 'Continue'
        if (Test-Path "$exampleUser/$exampleIndex.before.ps1") { . "$exampleUser/$exampleIndex.before.ps1" }
        $Error.Clear()
        $global:LASTEXITCODE = 0
        "`n--- $([DateTime]::UtcNow.ToString('HH:mm:ss.f')) $(Get-Content "$exampleUser/$exampleIndex.ps1" -Raw)"
        try { . "$exampleUser/$exampleIndex.ps1" } catch { Write-Host "$_" }
        $exampleResult = @{
            Example  = $exampleIndex
            ExitCode = $global:LASTEXITCODE
            Errors   = @($Error | ForEach-Object { "$($_.FullyQualifiedErrorId): $_" })
        }
        Add-Content "$exampleUser/report.jsonl" (ConvertTo-Json $exampleResult -Compress)
    }
    if (Test-Path "$env:XDG_RUNTIME_DIR/nixbuildfarm") { Get-NixBuildFarm | Stop-NixBuildFarm }
}
