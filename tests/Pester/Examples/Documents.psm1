# Finds the examples of the documents, and runs them on the farm, with what stands in for a reader's own machines.
Set-StrictMode -Version 3

$repository = [IO.Path]::GetFullPath("$PSScriptRoot/../../..")
$standIns = Import-PowerShellDataFile "$PSScriptRoot/StandIns.psd1"
$world = '/srv/examples'

# An example that takes longer hangs: far longer than anything takes where several farms share two cores.
$limit = [timespan]::FromMinutes(15)

# Where examples write, and what they are given outside of their users' folders.
$places = @(
    $world, '/srv/cache', '/srv/s3', '/var/lib/node_exporter', '/var/www/builds', '/etc/nixos', "$HOME/.config/home-manager"
    '/etc/nix/cache.key', '/etc/nix/cache.pub', '/home/kana/.local/state/nixbuildfarm'
)

# What is made once: a path that ruby and kana have, a run of the past, and the collector. And what the farm is to be again: the builders
# that were added, places that were not there, and files that examples change, as they were.
$opened = @{ Path = ''; Run = ''; Collector = $null; Answering = $null; Builders = @(); Made = @(); Files = @{} }

# The documents that have examples: their names, and of each example its code, its place and whether it is run.
function Get-ExampleDocument {
    $files = @("$repository/README.md") + [IO.Directory]::GetFiles("$repository/docs", '*.md', 'AllDirectories')
    foreach ($file in $files | Sort-Object) {
        $name = [IO.Path]::GetRelativePath($repository, $file)
        $index = 0
        $examples = foreach ($block in Get-ExampleBlock $file) {
            $code = $block.Lines.ToString()
            $first = $code.Split("`n")[0]
            $isToFail = @($standIns.Fail | Where-Object { Test-Fits $_ $name $first }).Count -gt 0
            if (($block -as [Markdig.Syntax.FencedCodeBlock])?.Info -eq 'sh') { $code = "bash -euc @'`n$code`n'@" }
            @{ Document = $name; Index = $index++; Code = $code; First = $first; Way = $isToFail ? 'Fail' : 'Run' }
        }
        if ($examples) { @{ Name = $name; Examples = @($examples) } }
    }
}

# Blocks marked as powershell; in a page about_*, whose text is for a terminal, those that are set in as well; and those for the shell of
# a reader who has another.
function Get-ExampleBlock([string] $File) {
    $name = [IO.Path]::GetFileName($File)
    $languages = $name -eq 'ten-minutes.md' ? ('powershell', 'sh') : 'powershell'
    foreach ($block in Get-CodeBlock (ConvertFrom-Markdown -Path $File).Tokens) {
        if ($block -is [Markdig.Syntax.FencedCodeBlock] ? $block.Info -in $languages : $name.StartsWith('about_')) { $block }
    }
}

function Get-CodeBlock([object] $Blocks) {
    foreach ($block in $Blocks) {
        if ($block -is [Markdig.Syntax.CodeBlock]) { $block }
        elseif ($block -is [Markdig.Syntax.ContainerBlock]) { Get-CodeBlock $block }
    }
}

# Whether an entry of the list is about an example: its first line is what names it.
function Test-Fits([hashtable] $Entry, [string] $Document, [string] $First) {
    $Entry.Document -eq $Document -and $Entry.Example -ceq $First
}

# Entries of the list that fit no example, or several, and replacements of what stands in none.
function Get-UnknownExample {
    $all = @((Get-ExampleDocument).Examples)
    foreach ($entry in $standIns.Fail + $standIns.Before) {
        if (@($all | Where-Object { Test-Fits $entry $_.Document $_.First }).Count -ne 1) { "$($entry.Document): $($entry.Example)" }
    }
    $standIns.Replace.Text | Where-Object { -not ($all.Code -match [regex]::Escape($_)) }
}

# Makes of the farm what readers have: more builders, a nixpkgs, a project, programs that build with Nix, a collector, a past.
function Initialize-ExampleFarm {
    foreach ($file in '/etc/nix/machines', "$HOME/.ssh/config", '/etc/passwd') {
        $opened.Files[$file] = (Test-Path $file) ? [IO.File]::ReadAllBytes($file) : $null
        if (-not (Test-Path $file)) { Set-Content $file '' }
    }
    $opened.Made = @($places | ForEach-Object { Get-FirstMissing $_ } | Select-Object -Unique)
    $null = [IO.Directory]::CreateDirectory($world)
    Add-Builder opal --systems riscv64-linux --conf 'extra-platforms = riscv64-linux'
    Add-Builder jade --systems aarch64-linux --conf 'extra-platforms = aarch64-linux'
    Add-Builder web1 --features kvm --conf 'system-features = kvm'
    Add-Content /etc/passwd 'bob:x:2100:2100::/home/bob:/bin/sh'
    foreach ($folder in "$HOME/.config", '/var/lib/node_exporter', '/var/www/builds', '/srv/cache', '/srv/s3') {
        $null = [IO.Directory]::CreateDirectory($folder)
    }
    $null = nix-store --generate-binary-cache-key examples-1 /etc/nix/cache.key /etc/nix/cache.pub
    Initialize-Project "$world/project"
    foreach ($builder in 'ruby', 'kana') {
        $opened.Path = "$(Invoke-Farm exec $builder sh -c 'echo > /tmp/hello-2.12; nix-store --add /tmp/hello-2.12; rm /tmp/hello-2.12')"
    }
    Start-Collector
    Initialize-Past
}

function Add-Builder {
    $null = Invoke-Farm add @args
    $opened.Builders += $args[0]
}

# The outermost folder of a path that is not there, or the path itself; nothing: it is there.
function Get-FirstMissing([string] $Path) {
    $missing = $null
    for ($at = $Path; $at -and -not (Test-Path -LiteralPath $at); $at = [IO.Path]::GetDirectoryName($at)) { $missing = $at }
    $missing
}

# The nixpkgs and the project that each document gets a copy of.
function Initialize-Project([string] $Project) {
    cp -a "$PSScriptRoot/nixpkgs" "$PSScriptRoot/project" $world
    Set-Registry $world
    foreach ($name in 'nixpkgs', 'project') { Set-Content "$world/$name/era.nix" '"before"' }
    Copy-Item /etc/nix/machines "$Project/machines"
    Copy-Item "$repository/tests/Farm/example.nix" $Project
    $nodes = '[{"n":"libc","s":0},{"n":"hello","s":0,"i":[0],"P":1}]'
    Set-Compressed "$Project/hello.json.gz" "{`"systems`":[`"x86_64-linux`"],`"roots`":[1],`"nodes`":$nodes}"
    Set-Compressed "$Project/hello.dur.json.gz" '{"sec":[6,2],"mb":[1,1],"est":[1,1]}'
    Set-Content "$Project/farm.json" '{"machines":[{"name":"local","systems":["x86_64-linux"],"slots":2,"speed":1,"bw":100,"local":true}]}'
    $null = nix-build "$world/nixpkgs" -A hello -o "$Project/result" 2> $null
    $null = nix flake lock $Project --option flake-registry "$world/registry.json" 2> $null
    cp -a $Project "$HOME/.config/home-manager"
    cp -a $Project /etc/nixos
}

# What the reader has built before: the history that each document begins with, and a colleague's.
function Initialize-Past {
    $folder = New-ExampleFolder 'past' @(
        'Invoke-NixDistributedBuild nixpkgs#hello, nixpkgs#linux'
        'Invoke-NixDistributedBuild .#checks -KeepGoing'
        'Copy-NixStorePath ./result -To kana'
    )
    Invoke-ExampleSession $folder
    $state = "$world/past/state"
    $opened.Run = [IO.Path]::GetFileName([IO.Directory]::GetDirectories("$state/nixbuildfarm/logs")[0])
    $null = [IO.Directory]::CreateDirectory("$state/nix-output-monitor")
    Set-Content "$state/nix-output-monitor/build-reports.csv" @(
        'hostname,derivation name,utc time,build seconds'
        ',hello,2026-11-01 10:00:00,12'
    )
    $null = [IO.Directory]::CreateDirectory('/home/kana/.local/state/nixbuildfarm')
    Copy-Item "$state/nixbuildfarm/history.db" /home/kana/.local/state/nixbuildfarm
}

# Other tests find the farm as it was, also when not all of it was made. What fails keeps nothing else from being undone.
function Remove-ExampleFarm {
    $steps = @(
        { Restore-File }
        { Stop-Collector }
        { foreach ($builder in $opened.Builders) { $null = Invoke-Farm remove $builder } }
        { if ($opened.Made) { rm -rf -- $opened.Made } }
    )
    $problems = foreach ($step in $steps) {
        try { & $step } catch { "$_" }
    }
    if ($problems) { throw $problems -join "`n" }
}

# Files keep their owners and modes when their contents are replaced.
function Restore-File {
    foreach ($file in $opened.Files.Keys) {
        if ($null -eq $opened.Files[$file]) { Remove-Item -LiteralPath $file -Force }
        else { [IO.File]::WriteAllBytes($file, $opened.Files[$file]) }
    }
}

# Runs the examples of documents.
function Invoke-ExampleDocument([hashtable[]] $Documents) {
    $folders = foreach ($document in $Documents) {
        $folder = New-ExampleFolder $document.Name $document.Examples.Code $document.Examples.First
        cp -a "$world/past/state" "$folder/.."
        $folder
    }
    Invoke-ExampleSession $folders
}

# What is wrong with an example that was run; nothing: it works. The failing check of the project is what examples of failures are about.
function Get-ExampleProblem([string] $Document, [int] $Index) {
    $report = "$(Get-Folder $Document)/examples/report.jsonl"
    $found = if (Test-Path $report) { Get-Content $report | ConvertFrom-Json | Where-Object Example -EQ $Index }
    if (-not $found) { return "It has not ended. The session has written:`n$((Get-Content "$world/output" -Tail 20) -join "`n")" }
    $errors = @($found.Errors | Where-Object { $_ -notmatch 'broken-check' })
    if ($errors.Count -gt 0) { return $errors -join "`n" }
    if ($found.ExitCode -ne 0 -and $found.Errors.Count -eq 0) { "Exit code $($found.ExitCode)" }
}

function Get-Folder([string] $Document) { "$world/$($Document.Replace('/', '.'))" }

# A user's folder: the project, the examples as scripts, and the environment. What was built for other documents is new for this one.
function New-ExampleFolder([string] $Document, [string[]] $Code, [string[]] $First = $Code) {
    $folder = Get-Folder $Document
    foreach ($part in 'examples', 'config', 'run') {
        $null = [IO.Directory]::CreateDirectory("$folder/$part", 'UserRead, UserWrite, UserExecute')
    }
    cp -a "$world/project" "$world/nixpkgs" $folder
    foreach ($name in 'nixpkgs', 'project') { Set-Content "$folder/$name/era.nix" "`"$Document`"" }
    Set-Registry $folder
    for ($i = 0; $i -lt $Code.Count; $i++) {
        $script = $Code[$i]
        foreach ($one in $standIns.Replace) { $script = $script.Replace($one.Text, $one.By) }
        Set-Content "$folder/examples/$i.ps1" $script
        $standIns.Before | Where-Object { Test-Fits $_ $Document $First[$i] } |
            ForEach-Object { Set-Content "$folder/examples/$i.before.ps1" $_.Do }
    }
    $variables = @{
        XDG_STATE_HOME  = "$folder/state"
        XDG_CONFIG_HOME = "$folder/config"
        XDG_RUNTIME_DIR = "$folder/run"
        NIX_PATH        = "nixpkgs=$folder/nixpkgs"
        NIX_CONFIG      = "flake-registry = $folder/registry.json"
        NIX_REMOTE      = $null
        EXAMPLE_PATH    = $opened.Path
        EXAMPLE_RUN     = $opened.Run
    }
    Set-Content "$folder/examples/variables.json" ($variables | ConvertTo-Json)
    "$folder/examples"
}

# Runs the scripts of folders in a pwsh whose user answers each question with “all”. One that hangs is ended;
# its farms outlive it, and are ended as well.
function Invoke-ExampleSession([string[]] $Folder) {
    $process = Start-ExampleSession $Folder
    try {
        $clock = [Diagnostics.Stopwatch]::StartNew()
        $ended = 0
        while (-not $process.WaitForExit(2000)) {
            $now = Measure-EndedExample $Folder
            if ($now -ne $ended) { $clock.Restart(); $ended = $now }
            if ($clock.Elapsed -gt $limit) { break }
        }
    }
    finally {
        if (-not $process.HasExited) {
            $process.Kill($true)
            $process.WaitForExit()
        }
        if ($process.ExitCode -ne 0) {
            $ending = Start-ExampleSession $Folder -OnlyEnd
            if (-not $ending.WaitForExit($limit)) { $ending.Kill($true) }
            $ending.Dispose()
        }
        $process.Dispose()
    }
}

# How many examples of folders have ended so far.
function Measure-EndedExample([string[]] $Folder) {
    $reports = $Folder | ForEach-Object { "$_/report.jsonl" } | Where-Object { Test-Path $_ }
    @($reports | ForEach-Object { Get-Content $_ }).Count
}

function Start-ExampleSession([string[]] $Folder, [switch] $OnlyEnd) {
    $command = "& '$PSScriptRoot/Invoke-Example.ps1' -ExampleFolder '$($Folder -join "','")' -OnlyEnd:`$$OnlyEnd"
    $start = [Diagnostics.ProcessStartInfo]::new('/bin/sh', [string[]] @(
        '-c', 'exec "$@" >> "$0" 2>&1', "$world/output", 'pwsh', '-NoProfile', '-Command', $command
    ))
    $start.RedirectStandardInput = $true
    $start.Environment['NO_COLOR'] = '1'
    $start.Environment['PATH'] = "$PSScriptRoot/bin:$env:PATH"
    $start.Environment['PSModulePath'] = "/opt:$env:PSModulePath"
    $process = [Diagnostics.Process]::Start($start)
    $process.StandardInput.Write("A`n" * 100)
    $process.StandardInput.Close()
    $process
}

# A collector of OpenTelemetry, as far as an example is concerned: it takes what it gets. CollectorTests ask a real one what that is.
function Start-Collector {
    $listener = [Net.HttpListener]::new()
    $listener.Prefixes.Add('http://localhost:4318/')
    $listener.Start()
    $opened.Collector = $listener
    $opened.Answering = [powershell]::Create().AddScript({
        while ($args[0].IsListening) {
            $context = $args[0].GetContext()
            $context.Response.StatusCode = $context.Request.RawUrl -eq '/v1/traces' ? 200 : 404
            $context.Response.Close()
        }
    }).AddArgument($listener)
    $null = $opened.Answering.BeginInvoke()
}

function Stop-Collector {
    $opened.Collector?.Stop()
    $opened.Answering?.Dispose()
}

# Says which flake is nixpkgs: the one in a folder.
function Set-Registry([string] $Folder) {
    $flake = @{ from = @{ type = 'indirect'; id = 'nixpkgs' }; to = @{ type = 'path'; path = "$Folder/nixpkgs" } }
    Set-Content "$Folder/registry.json" (@{ version = 2; flakes = @($flake) } | ConvertTo-Json -Depth 5)
}

function Set-Compressed([string] $Path, [string] $Text) {
    $zipped = [IO.Compression.GZipStream]::new([IO.File]::Create($Path), [IO.Compression.CompressionMode]::Compress)
    $writer = [IO.StreamWriter]::new($zipped)
    $writer.Write($Text)
    $writer.Dispose()
}

Export-ModuleMember -Function @(
    'Get-ExampleDocument', 'Get-ExampleProblem', 'Get-UnknownExample'
    'Initialize-ExampleFarm', 'Invoke-ExampleDocument', 'Remove-ExampleFarm'
)
