# What the examples of the documents are given on the farm, and which of them cannot be run there.
@{
    # Text of examples that means something of the reader's own, and what stands in for it.
    Replace = @(
        @{ Text = '/nix/store/3r2mnwy1yza9kbxi0xvxzvgyhxfyl9nj-hello-2.12'; By = '$env:EXAMPLE_PATH' }
        # A machine that has much to do answers later.
        @{ Text = '-TimeoutSec 5'; By = '-TimeoutSec 60' }
        @{ Text = '20260301-140522'; By = '$env:EXAMPLE_RUN' }
        @{ Text = '20260228-090000'; By = '$env:EXAMPLE_RUN' }
        @{ Text = '20261129-0202'; By = '$run.RunId' }
        @{ Text = 's3://cache?region=eu-west-1'; By = 'file:///srv/s3?compression=none' }
    )

    # What an example takes for granted: one that begins so, of this document.
    Before = @(
        @{
            Document = 'docs/en-US/about_NixBuildFarm_Service.md'; Example = 'Start-NixBuildFarm -AllowUser alice, bob'
            Do = 'Stop-NixBuildFarm'
        }
        @{
            Document = 'docs/en-US/Get-NixBuilder.md'; Example = 'Get-NixBuilder -NixosModule ./remote-builders.nix | Invoke-NixDistributedBuild nixpkgs#hello'
            # The stand-in for nixpkgs has no module system, by which a module is evaluated where nixpkgs is at hand.
            Do = '$env:NIX_PATH = $null; Remove-Item flake.lock'
        }
        @{
            Document = 'docs/en-US/Export-NixBuildReport.md'; Example = 'Export-NixBuildReport -Live'
            Do = '$null = Start-NixBuildFarm -Builder local; $null = Start-HeldBuild f -UntilWatched -Sign http://127.0.0.1:'
        }
        @{ Document = 'docs/en-US/Get-NixBuildFarm.md'; Example = 'Get-NixBuildFarm'; Do = '$null = Start-NixBuildFarm' }
        @{ Document = 'docs/en-US/Start-NixBuildFarm.md'; Example = 'Start-NixBuildFarm -AllowUser alice'; Do = 'Stop-NixBuildFarm' }
        @{
            Document = 'docs/en-US/Stop-NixBuild.md'; Example = 'Get-NixBuild -State Running | Stop-NixBuild'
            Do = '$null = Start-NixBuildFarm -Builder local; $null = Start-HeldBuild a'
        }
        @{
            Document = 'docs/en-US/Stop-NixBuild.md'; Example = 'Stop-NixBuild 20261129-0202'
            Do = '$run = Start-HeldBuild b'
        }
        @{
            Document = 'docs/en-US/Stop-NixBuildFarm.md'; Example = 'Stop-NixBuildFarm'
            Do = '$null = Start-NixBuildFarm; $null = Start-NixBuildFarm second'
        }
        @{
            Document = 'docs/en-US/Watch-NixBuild.md'; Example = 'Watch-NixBuild'
            Do = '$null = Start-NixBuildFarm -Builder local; $null = Start-HeldBuild c -UntilWatched'
        }
        @{
            Document = 'docs/en-US/Watch-NixBuild.md'; Example = 'Watch-NixBuild -Plain'
            Do = '$null = Start-HeldBuild d -UntilWatched'
        }
        @{
            Document = 'docs/recipes.md'; Example = 'Set-NixBuilderPolicy board -MaxUpload 1MB -CopyBack Requested'
            Do = @'
Add-Content ~/.ssh/config 'Host board', '  HostName jade', '  User nix', '  ProxyJump root@ruby'
Add-Content /etc/nix/machines 'ssh-ng://board aarch64-linux - 4 0.5'
'@
        }
        @{
            Document = 'docs/recipes.md'; Example = 'Watch-NixBuild'
            Do = '$null = Start-NixBuildFarm -Builder local; $null = Start-HeldBuild e -UntilWatched'
        }
    )

    # Examples that are run and have to fail, for the farm lacks what they need. One that works belongs here no longer.
    Fail = @(
        @{
            Document = 'docs/recipes.md'; Example = 'Invoke-NixDistributedBuild .#checks -KeepGoing -OverrideInput @{ nixpkgs = ''github:NixOS/nixpkgs/staging'' }'
            Why = 'the farm has no network to fetch from; the same with a folder is an example of Invoke-NixDistributedBuild'
        }
        @{
            Document = 'docs/recipes.md'; Example = 'Use-NixBuildFarm { nix flake check --keep-going }'
            Why = 'it ends with the exit code of the command, and the project has a check that fails'
        }
        @{
            Document = 'docs/en-US/Use-NixBuildFarm.md'; Example = 'Use-NixBuildFarm -ExcludeBuilder kana { nix flake check }'
            Why = 'it ends with the exit code of the command, and the project has a check that fails'
        }
        @{
            Document = 'docs/ten-minutes.md'; Example = 'Register-PSResourceRepository -Name NixBuildFarm -Uri $PWD/out/package -Trusted'
            Why = 'the pwsh of the tests has no PSResourceGet; build/Test-Package.ps1 installs the package'
        }
        @{
            Document = 'docs/ten-minutes.md'; Example = './build.sh package'
            Why = 'the folder is a reader''s project and not this one; build/Test-Package.ps1 makes the package'
        }
        @{
            Document = 'README.md'; Example = 'pwsh build.ps1 Build'
            Why = 'the folder is a reader''s project and not this one, which has been built before it is tested'
        }
    )
}
