using Microsoft.PowerShell;

// PowerShell finds its own modules beside this program.
return UnmanagedPSEntry.Start(args, args.Length);
