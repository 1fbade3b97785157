# Precompile: machine code for what the tests start again and again. PowerShell's assemblies from NuGet have none, and neither has what is
# built here: most of each start would be compilation, hundreds of times in a run of the tests. The next build lays out anew what is
# changed here, so what is shipped stays as it is.

# Folders in out/, and the assemblies there that sessions and programs of tests load.
$precompiled = [ordered]@{
    'pwsh'                                           = 'pwsh', 'System.Management.Automation', 'Microsoft.PowerShell.*'
    'pwsh/Modules/Pester/bin/net8.0'                 = , 'Pester'
    'EngineHost'                                     = , 'NixBuildFarm.EngineHost'
    'EngineHost/runtimes/unix/lib/net10.0'           = , 'System.Management.Automation'
    'NixBuildFarm'                                   = , '*'
    'NixBuildFarm/deps'                              = 'NixBuildFarm.*', 'Renci.*', 'Microsoft.*', 'SQLitePCLRaw.*', 'Tomlyn'
    'build/bin/*.Tests/release'                      = 'NixBuildFarm.*', 'xunit.*'
    'build/bin/*.Tests/release/runtimes/unix/lib/net10.0' = , 'System.Management.Automation'
}

function Invoke-Precompile {
    $compiler = Get-MachineCodeCompiler
    $kept = [IO.Directory]::CreateDirectory("$out/build/precompiled").FullName
    $begun = [Diagnostics.Stopwatch]::StartNew()
    foreach ($folder in $precompiled.Keys) {
        foreach ($file in Get-Item @($precompiled[$folder] | ForEach-Object { "$out/$folder/$_.dll" })) {
            if (Test-MachineCode $file) { continue }
            $made = "$kept/$((Get-FileHash $file).Hash)-$($compiler.Version).dll"
            if (-not [IO.File]::Exists($made)) { New-MachineCode $compiler $file $made }
            # What is open stays as it is.
            [IO.File]::Copy($made, "$file.new", $true)
            [IO.File]::Move("$file.new", $file, $true)
        }
    }
    Write-Line ('Compiled what the tests start to machine code ({0:0.0} s)' -f $begun.Elapsed.TotalSeconds)
}

# The compiler that a package of the SDK brings, and the runtime that it compiles for.
function Get-MachineCodeCompiler {
    $names = 'MachineCodeCompiler', 'RuntimeFolder', 'BundledNETCoreAppPackageVersion'
    $answer = dotnet msbuild "$root/tools/NixBuildFarm.PowerShell" "-getProperty:$($names -join ',')" | ConvertFrom-Json
    [pscustomobject]@{
        Program = $answer.Properties.MachineCodeCompiler
        Runtime = $answer.Properties.RuntimeFolder
        Version = $answer.Properties.BundledNETCoreAppPackageVersion
    }
}

function New-MachineCode([object] $Compiler, [IO.FileInfo] $File, [string] $Target) {
    # One word each, which pwsh takes for no pattern of its own.
    $references = $Compiler.Runtime, $File.DirectoryName, "$out/NixBuildFarm", "$out/NixBuildFarm/deps", "$out/pwsh" |
        ForEach-Object { "--reference:$_/*.dll" }
    $said = & $Compiler.Program $File.FullName '--out' "$Target.new" '--optimize' @references 2>&1
    if ($LASTEXITCODE -ne 0) { throw "$File cannot be compiled to machine code: $($said | Select-Object -Last 5)" }
    [IO.File]::Move("$Target.new", $Target, $true)
}

# Whether an assembly has machine code.
function Test-MachineCode([IO.FileInfo] $File) {
    $stream = $File.OpenRead()
    try {
        $reader = [Reflection.PortableExecutable.PEReader]::new($stream)
        $reader.PEHeaders.CorHeader.ManagedNativeHeaderDirectory.Size -gt 0
    }
    finally {
        $stream.Dispose()
    }
}
