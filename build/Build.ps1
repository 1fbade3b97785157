# Build, Docs and Clean: what is made in out/, and the help pages that are made from it.

# One compiler process compiles all projects: one for each would start anew, and with it the analysers. What it does but once or twice
# is not worth measuring for a better compilation of itself, which takes a third of its time.
function Invoke-Build {
    $env:DOTNET_TieredPGO = '0'
    $socket = "/tmp/nixbuildfarm-compiler-$PID"
    $compiler = Start-Compiler $socket
    try {
        Invoke-Checked dotnet @(
            'build', "$root/NixBuildFarm.sln", '--configuration', 'Release', '--nologo', '--verbosity', 'minimal'
            '-p:UseSharedCompilation=true', "-p:SharedCompilationId=$([IO.Path]::GetFileName($socket))"
        )
    }
    finally {
        $compiler.Kill()
        $compiler.Dispose()
        [IO.File]::Delete($socket)
        $env:DOTNET_TieredPGO = $null
    }
}

# Starts the compiler as a server, which dies with us: one that the build starts would stay behind. Its sockets are all in /tmp.
function Start-Compiler([string] $Socket) {
    $folder = dotnet msbuild "$root/src/NixBuildFarm.Core" -getProperty:RoslynTargetsPath
    $compiler = Start-Program dotnet 'exec', "$folder/bincore/VBCSCompiler.dll", "-pipename:$([IO.Path]::GetFileName($Socket))"
    while (-not [IO.File]::Exists($Socket)) {
        if ($compiler.WaitForExit(50)) { throw "The compiler server ended with exit code $($compiler.ExitCode)." }
    }
    $compiler
}

function Invoke-Docs {
    Invoke-Build
    $code = Invoke-PowerShell '-File', "$root/tools/Update-HelpPage.ps1", "$out/NixBuildFarm", "$root/docs/en-US"
    if ($code -ne 0) { throw "tools/Update-HelpPage.ps1 failed with exit code $code." }
}

function Invoke-Clean {
    if ([IO.Directory]::Exists($out)) { [IO.Directory]::Delete($out, $true) }
}
